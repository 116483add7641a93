//! The [`GuardLayer`] and its configuration.

use std::{fmt, sync::Arc};

#[cfg(feature = "websocket")]
use gabion_core::ChangeListener;
use gabion_core::{
    ClientRules, Inspect, OffenseRecorder, PolicySource, RemoteLimits, Sink, Snapshot,
};
#[cfg(feature = "websocket")]
use ipnet::IpNet;
use tower_layer::Layer;

use super::service::GuardService;
use crate::{
    Clock, ConnectionSource, ObserveOverride, Reply,
    engine::{Engine, Sharing},
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
    engine: Arc<Engine>,
}

/// Creates a [`GuardLayer`] that judges each request by the policy that is in force when the
/// request arrives.
///
/// For crates that compile policies. [`GuardLayer::new`] takes a single inspector.
pub fn guard_layer(source: impl PolicySource + 'static) -> GuardLayer {
    GuardLayer {
        engine: Arc::new(Engine::new(Arc::new(source))),
    }
}

impl GuardLayer {
    /// Creates a layer that judges with `inspector` and resolves clients by `clients`.
    pub fn new(inspector: impl Inspect + 'static, clients: ClientRules) -> Self {
        guard_layer(Arc::new(Snapshot::new(clients, Arc::new(inspector))))
    }

    /// Records offenses with `bans`. If unset, an offense is denied and bans nothing.
    pub fn with_bans(self, bans: Arc<dyn OffenseRecorder>) -> Self {
        self.with(|engine| engine.bans = Some(bans))
    }

    /// Sends events to `sink`. If unset, events are dropped.
    pub fn with_sink(self, sink: Arc<dyn Sink>) -> Self {
        self.with(|engine| engine.sink = Some(sink))
    }

    /// Lets `remote` decide about exact limits for all instances. If unset, each instance does.
    ///
    /// The inner service is called before the decision, and its future is polled after it: a service that begins
    /// its work in `call` also begins it for a request that is denied then.
    ///
    /// # Cost
    ///
    /// A request to which an exact limit applies waits for the decision, and its head is copied. None for others.
    pub fn with_remote_limits(self, remote: Arc<dyn RemoteLimits>) -> Self {
        self.with(|engine| engine.remote_limits = Some(remote))
    }

    /// Sets the [`Reply`] that turns denials into responses. The default is [`BriefReply`](crate::BriefReply), which also
    /// stands in for a reply that panics.
    pub fn with_reply(self, reply: impl Reply + 'static) -> Self {
        self.with(|engine| engine.reply = Arc::new(reply))
    }

    /// Sets the [`Clock`]. Layers that share a table of bans need the same clock. The default is
    /// [`SystemClock`](crate::SystemClock), whose instances share one origin.
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        self.with(|engine| engine.clock = clock)
    }

    /// Sets the [`ConnectionSource`] that finds the peer address. The default is [`ExtensionsSource`](crate::ExtensionsSource).
    pub fn with_connection_source(self, source: impl ConnectionSource + 'static) -> Self {
        self.with(|engine| engine.connection = Arc::new(source))
    }

    /// Sets the [`ObserveOverride`] that turns every denial into an observed one while it lasts.
    pub fn with_observe_override(self, observe_override: ObserveOverride) -> Self {
        self.with(|engine| engine.observe_override = observe_override)
    }

    /// Registers the WebSockets and event streams that pass in `sessions`, limits the traffic of
    /// WebSockets by the [`SessionLimits`](gabion_core::SessionLimits) of their route, and judges
    /// their messages.
    ///
    /// The layer is a [`ChangeListener`]: subscribed to bans and policy changes
    /// ([`ChangeListeners`](gabion_core::ChangeListeners)), it closes the open sessions that the
    /// policy denies. A recheck judges the client and the path
    /// ([`Inspect::recheck`](gabion_core::Inspect::recheck)).
    ///
    /// # Examples
    ///
    /// Two clients receive server-sent events; one of them is banned:
    ///
    /// ```
    /// # use std::{convert::Infallible, sync::{Arc, Mutex}};
    /// # use bytes::Bytes;
    /// # use gabion_core::{
    /// #     ClientIp, ClientRules, Denial, Facts, Inspect, Now, PathViews, PeerAddr, RequestState,
    /// #     Snapshot, Verdict,
    /// # };
    /// # use http::{Request, Response};
    /// # use http_body_util::{BodyExt, Full};
    /// # use ipnet::IpNet;
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// use gabion_core::ChangeListener;
    /// use gabion_tower::{Sessions, guard_layer};
    ///
    /// # struct BanList(Mutex<Vec<IpNet>>);
    /// # impl Inspect for BanList {
    /// #     fn name(&self) -> &'static str {
    /// #         "bans"
    /// #     }
    /// #     fn inspect(&self, facts: &Facts<'_>, _: &mut RequestState) -> Verdict {
    /// #         self.recheck(&facts.client, &facts.path, facts.now)
    /// #     }
    /// #     fn recheck(&self, client: &ClientIp, _: &PathViews<'_>, _: Now) -> Verdict {
    /// #         match self.0.lock().unwrap().contains(&client.network()) {
    /// #             true => Denial::forbidden("bans", "client is banned").into(),
    /// #             false => Verdict::Pass,
    /// #         }
    /// #     }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let bans = Arc::new(BanList(Mutex::default()));
    /// # let policy = Arc::new(Snapshot::new(ClientRules::default(), bans.clone()));
    /// # let service = service_fn(|_: Request<()>| async {
    /// #     let response = Response::builder().header("content-type", "text/event-stream");
    /// #     Ok::<_, Infallible>(response.body(Full::<Bytes>::from("data: 1\n\n")).unwrap())
    /// # });
    /// # let get = |client: &str| {
    /// #     let peer = PeerAddr::new((client.parse::<std::net::IpAddr>().unwrap(), 4711).into());
    /// #     Request::get("/events").extension(peer).body(()).unwrap()
    /// # };
    /// let sessions = Arc::new(Sessions::new());
    /// let layer = guard_layer(policy).with_sessions(sessions.clone());
    /// let guarded = layer.layer(service);
    ///
    /// let mut first = guarded.clone().oneshot(get("203.0.113.9")).await?.into_body();
    /// let mut second = guarded.oneshot(get("198.51.100.7")).await?.into_body();
    /// assert_eq!(sessions.len(), 2);
    ///
    /// # bans.0.lock().unwrap().push("203.0.113.9/32".parse()?);
    /// layer.on_ban("203.0.113.9/32".parse()?);
    /// assert!(first.frame().await.is_none(), "the stream of the banned client ends");
    /// assert!(second.frame().await.is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "websocket")]
    pub fn with_sessions(self, sessions: Arc<crate::Sessions>) -> Self {
        self.with(|engine| engine.sessions = Some(sessions))
    }

    /// Shares one resolution of the client and the path views with other layers around the same service
    /// that share theirs: the outermost resolves, the inner ones reuse
    /// ([`Facts::restore`](gabion_core::Facts::restore)). With `own_clients`, this layer resolves by its own
    /// [`ClientRules`] even if an outer one has resolved.
    ///
    /// A layer with the default [`ClientRules`] leaves no resolution of a path that has only one form: an inner
    /// layer gets the same by its own, for less than the resolution costs.
    ///
    /// # Cost
    ///
    /// Two allocations per request in a layer that leaves a resolution: one with other than the default
    /// [`ClientRules`], one with bans, or any for a path with several forms.
    pub fn with_shared_resolution(self, own_clients: bool) -> Self {
        let sharing = if own_clients {
            Sharing::OwnClients
        } else {
            Sharing::Outer
        };
        self.with(|engine| engine.sharing = sharing)
    }

    /// Inserts the [`ClientIp`](gabion_core::ClientIp) into the extensions of each request that passes; for
    /// WebSocket handshakes also an `Arc` of the [`SessionLimits`](gabion_core::SessionLimits).
    ///
    /// # Cost
    ///
    /// An allocation per request.
    pub fn insert_client_extension(self) -> Self {
        self.with(|engine| engine.inserts_client = true)
    }

    fn with(mut self, change: impl FnOnce(&mut Engine)) -> Self {
        change(Arc::make_mut(&mut self.engine));
        self
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> GuardService<S> {
        GuardService::new(inner, Arc::clone(&self.engine))
    }
}

/// Rechecks the open sessions of the layer ([`GuardLayer::with_sessions`]).
#[cfg(feature = "websocket")]
impl ChangeListener for GuardLayer {
    fn on_ban(&self, client: IpNet) {
        self.engine.recheck_client(client);
    }

    fn on_policy_replaced(&self) {
        self.engine.recheck_all();
    }
}

impl fmt::Debug for GuardLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardLayer").finish_non_exhaustive()
    }
}
