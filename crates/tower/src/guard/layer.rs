//! The [`GuardLayer`] and its configuration.

use std::{fmt, sync::Arc};

use gabion_core::{ClientRules, Inspect, OffenseRecorder, PolicySource, Sink, Snapshot};
use tower_layer::Layer;

use super::{
    engine::Engine, ids::EventIds, once_per_minute::OncePerMinute, service::GuardService,
    sharing::Sharing,
};
use crate::{
    BriefReply, Clock, ConnectionSource, ExtensionsSource, ObserveOverride, Reply, SystemClock,
};

/// A [`Layer`] that judges the head of each request with an inspector and answers denied requests itself.
///
/// It has no type parameters, so it can be named, stored and returned. Clones share all state. The service
/// that it makes is a [`GuardService`]; denials are turned into responses by a [`Reply`].
///
/// # Examples
///
/// ```
/// # use std::{convert::Infallible, net::SocketAddr};
/// # use bytes::Bytes;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// # use tower::{Layer, ServiceExt, service_fn};
/// use gabion_core::{ClientRules, Denial, Facts, Inspect, PeerAddr, RequestState, Verdict};
/// use gabion_tower::GuardLayer;
///
/// struct NoDebug;
///
/// impl Inspect for NoDebug {
///     fn name(&self) -> &'static str {
///         "no-debug"
///     }
///
///     fn inspect(&self, facts: &Facts<'_>, _state: &mut RequestState) -> Verdict {
///         match facts.headers.contains_key("x-debug") {
///             true => Denial::forbidden("no-debug", "x-debug is for developers").into(),
///             false => Verdict::Pass,
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let service = service_fn(|_: Request<()>| async {
/// #     Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
/// # });
/// let guarded = GuardLayer::new(NoDebug, ClientRules::default()).layer(service);
/// let peer = PeerAddr::new(SocketAddr::from(([203, 0, 113, 9], 4711)));
/// let get = || Request::get("/").extension(peer);
/// assert_eq!(guarded.clone().oneshot(get().body(())?).await?.status(), 200);
/// assert_eq!(guarded.oneshot(get().header("x-debug", "1").body(())?).await?.status(), 403);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct GuardLayer {
    engine: Engine,
}

/// Creates a [`GuardLayer`] that judges each request by the policy that is in force when the
/// request arrives.
///
/// For crates that compile policies. [`GuardLayer::new`] takes a single inspector.
pub fn guard_layer(source: impl PolicySource + 'static) -> GuardLayer {
    GuardLayer {
        engine: Engine {
            source: Arc::new(source),
            bans: None,
            sink: None,
            reply: Arc::new(BriefReply),
            clock: Arc::new(SystemClock::new()),
            connection: Arc::new(ExtensionsSource),
            observe_override: ObserveOverride::default(),
            ids: EventIds::default(),
            setup: OncePerMinute::default(),
            enforcer: None,
            sharing: Sharing::default(),
            insert_client_extension: false,
        },
    }
}

impl GuardLayer {
    /// Creates a layer that judges with `inspector` and resolves clients by `clients`.
    pub fn new(inspector: impl Inspect + 'static, clients: ClientRules) -> Self {
        guard_layer(Arc::new(Snapshot::new(clients, Arc::new(inspector))))
    }

    /// Records offenses with `bans`. If unset, an offense is denied and bans nothing.
    pub fn with_bans(mut self, bans: Arc<dyn OffenseRecorder>) -> Self {
        self.engine.bans = Some(bans);
        self
    }

    /// Sends events to `sink`. If unset, events are dropped.
    pub fn with_sink(mut self, sink: Arc<dyn Sink>) -> Self {
        self.engine.sink = Some(sink);
        self
    }

    /// Sets the [`Reply`] that turns denials into responses. The default is [`BriefReply`], which also
    /// stands in for a reply that panics.
    pub fn with_reply(mut self, reply: impl Reply + 'static) -> Self {
        self.engine.reply = Arc::new(reply);
        self
    }

    /// Sets the [`Clock`]. Layers that share a table of bans need the same clock. The default is
    /// [`SystemClock`], whose instances share one origin.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.engine.clock = clock;
        self
    }

    /// Sets the [`ConnectionSource`] that finds the peer address. The default is [`ExtensionsSource`].
    pub fn with_connection_source(mut self, source: impl ConnectionSource + 'static) -> Self {
        self.engine.connection = Arc::new(source);
        self
    }

    /// Sets the [`ObserveOverride`] that turns every denial into an observed one while it lasts.
    pub fn with_observe_override(mut self, observe_override: ObserveOverride) -> Self {
        self.engine.observe_override = observe_override;
        self
    }

    /// Registers the WebSockets and event streams that pass, so that `enforcer` can close them.
    #[doc(hidden)]
    #[cfg(feature = "websocket")]
    pub fn with_session_enforcer(mut self, enforcer: Arc<crate::SessionEnforcer>) -> Self {
        self.engine.enforcer = Some(enforcer);
        self
    }

    /// Shares one resolution of the client and the path views with other layers around the same service
    /// that share theirs: the outermost resolves, the inner ones reuse
    /// ([`Facts::reuse`](gabion_core::Facts::reuse)). With `own_clients`, this layer resolves by its own
    /// [`ClientRules`] even if an outer one has resolved.
    ///
    /// # Cost
    ///
    /// An allocation per request in the layer that resolves.
    pub fn with_shared_resolution(mut self, own_clients: bool) -> Self {
        self.engine.sharing = if own_clients {
            Sharing::OwnClients
        } else {
            Sharing::Outer
        };
        self
    }

    /// Inserts the [`ClientIp`](gabion_core::ClientIp) into the extensions of each request that passes; for
    /// WebSocket handshakes also an `Arc` of the [`SessionLimits`](gabion_core::SessionLimits).
    ///
    /// # Cost
    ///
    /// An allocation per request.
    pub fn insert_client_extension(mut self) -> Self {
        self.engine.insert_client_extension = true;
        self
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> GuardService<S> {
        GuardService::new(inner, Arc::new(self.engine.clone()))
    }
}

impl fmt::Debug for GuardLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardLayer").finish_non_exhaustive()
    }
}
