//! What a wall is made of.

use std::{fmt, sync::Arc};

use gabion_core::{Bans, ClientRules, Inspect, Sink, Snapshot, Source};
use tower_layer::Layer;

use super::{ids::EventIds, seldom::Seldom, service::HeadService, shell::Shell};
use crate::{BriefReply, Clock, Hyper, Reply, Server, SystemClock, Truce};

/// Guards a service with a policy, or with one inspector. Has no type parameters: it can be
/// named, stored and returned. Clones share everything.
///
/// Layers stacked by hand judge apart: each resolves the client by its own rules, and what one
/// allows the next still judges. Where a safelist is to win over bans, the inspectors belong into
/// one policy. Layers that share a table of bans need the same [`Clock`]; without
/// [`Self::with_clock`] they have it.
#[derive(Clone)]
pub struct HeadLayer {
    shell: Shell,
}

impl HeadLayer {
    /// Guards by whatever policy `source` has in force.
    pub fn new(source: impl Source + 'static) -> Self {
        Self {
            shell: Shell {
                source: Arc::new(source),
                bans: None,
                sink: None,
                reply: Arc::new(BriefReply),
                clock: Arc::new(SystemClock::new()),
                server: Arc::new(Hyper),
                truce: Truce::default(),
                ids: EventIds::default(),
                setup: Seldom::default(),
                keeper: None,
                hand_over_client: false,
            },
        }
    }

    /// Guards by one inspector, with clients resolved by `clients`.
    pub fn of(inspector: impl Inspect + 'static, clients: ClientRules) -> Self {
        Self::new(Arc::new(Snapshot::new(clients, Arc::new(inspector))))
    }

    /// Keeps bans in `bans`. Without it a rule that bans only refuses.
    pub fn with_bans(mut self, bans: Arc<dyn Bans>) -> Self {
        self.shell.bans = Some(bans);
        self
    }

    /// Sends events to `sink`. Without it nobody is told.
    pub fn with_sink(mut self, sink: Arc<dyn Sink>) -> Self {
        self.shell.sink = Some(sink);
        self
    }

    /// Answers refused requests with `reply`. Where it panics, the answer is a plain one.
    pub fn with_reply(mut self, reply: impl Reply + 'static) -> Self {
        self.shell.reply = Arc::new(reply);
        self
    }

    /// Reads the time from `clock`.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.shell.clock = clock;
        self
    }

    /// Reads what `server` leaves in the extensions.
    pub fn with_server(mut self, server: impl Server + 'static) -> Self {
        self.shell.server = Arc::new(server);
        self
    }

    /// Observes while `truce` is held.
    pub fn with_truce(mut self, truce: Truce) -> Self {
        self.shell.truce = truce;
        self
    }

    /// Keeps a hand on the WebSockets that handshakes open.
    #[cfg(feature = "upgrade")]
    pub fn with_keeper(mut self, keeper: Arc<crate::Keeper>) -> Self {
        self.shell.keeper = Some(keeper);
        self
    }

    /// Hands the [`gabion_core::ClientIp`] to the service, in the request's extensions; and to one that
    /// is asked for a WebSocket what its session is held to, an `Arc` of [`gabion_core::Terms`].
    ///
    /// # Cost
    ///
    /// An allocation per request.
    pub fn handing_over_client(mut self) -> Self {
        self.shell.hand_over_client = true;
        self
    }
}

impl<S> Layer<S> for HeadLayer {
    type Service = HeadService<S>;

    fn layer(&self, inner: S) -> HeadService<S> {
        HeadService::new(inner, Arc::new(self.shell.clone()))
    }
}

impl fmt::Debug for HeadLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadLayer").finish_non_exhaustive()
    }
}
