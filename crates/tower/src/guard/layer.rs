//! What a wall is made of.

use std::{fmt, sync::Arc};

use gabion_core::{ClientRules, Inspect, OffenseRecorder, PolicySource, Sink, Snapshot};
use tower_layer::Layer;

use super::{engine::Engine, ids::EventIds, once_per_minute::OncePerMinute, service::GuardService};
use crate::{
    BriefReply, Clock, ConnectionSource, ExtensionsSource, ObserveOverride, Reply, SystemClock,
};

/// Guards a service with a policy, or with one inspector. Has no type parameters: it can be
/// named, stored and returned. Clones share everything.
///
/// Layers stacked by hand judge apart: each resolves the client by its own rules, and what one
/// allows the next still judges. Where a safelist is to win over bans, the inspectors belong into
/// one policy. Layers that share a table of bans need the same [`Clock`]; without
/// [`Self::with_clock`] they have it.
#[derive(Clone)]
pub struct GuardLayer {
    engine: Engine,
}

impl GuardLayer {
    /// Guards by whatever policy `source` has in force.
    pub fn from_source(source: impl PolicySource + 'static) -> Self {
        Self {
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
                insert_client_extension: false,
            },
        }
    }

    /// Guards by one inspector, with clients resolved by `clients`.
    pub fn new(inspector: impl Inspect + 'static, clients: ClientRules) -> Self {
        Self::from_source(Arc::new(Snapshot::new(clients, Arc::new(inspector))))
    }

    /// Keeps bans in `bans`. Without it a rule that bans only refuses.
    pub fn with_bans(mut self, bans: Arc<dyn OffenseRecorder>) -> Self {
        self.engine.bans = Some(bans);
        self
    }

    /// Sends events to `sink`. Without it nobody is told.
    pub fn with_sink(mut self, sink: Arc<dyn Sink>) -> Self {
        self.engine.sink = Some(sink);
        self
    }

    /// Answers refused requests with `reply`. Where it panics, the answer is a plain one.
    pub fn with_reply(mut self, reply: impl Reply + 'static) -> Self {
        self.engine.reply = Arc::new(reply);
        self
    }

    /// Reads the time from `clock`.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.engine.clock = clock;
        self
    }

    /// Reads what `connection` leaves in the extensions.
    pub fn with_connection_source(mut self, connection: impl ConnectionSource + 'static) -> Self {
        self.engine.connection = Arc::new(connection);
        self
    }

    /// Observes while `observe_override` is held.
    pub fn with_observe_override(mut self, observe_override: ObserveOverride) -> Self {
        self.engine.observe_override = observe_override;
        self
    }

    /// Keeps a hand on the WebSockets that handshakes open.
    #[cfg(feature = "websocket")]
    pub fn with_session_enforcer(mut self, enforcer: Arc<crate::SessionEnforcer>) -> Self {
        self.engine.enforcer = Some(enforcer);
        self
    }

    /// Hands the [`gabion_core::ClientIp`] to the service, in the request's extensions; and to one that
    /// is asked for a WebSocket what its session is held to, an `Arc` of [`gabion_core::SessionLimits`].
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
        f.debug_struct("HeadLayer").finish_non_exhaustive()
    }
}
