//! Echo servers behind a guard, and behind session limits without a policy document.

use std::{sync::Arc, time::Duration};

use gabion::{
    Guard, GuardLayer,
    ban::BanTable,
    client::{AutoSource, ClientRules},
    inspect::{InspectMessage, ObserveOverride, OnFault, ProtocolRules},
};
use gabion_core::Snapshot;
use gabion_core::{RouteLimits, SessionLimits};
use gabion_testkit::{EchoServer, Recorder};
use gabion_tower::{Sessions, guard_layer};
use hyper_util::rt::TokioTimer;
use tokio::time::{sleep, timeout};

/// The parts of a layer with session limits.
pub(crate) struct SessionParts {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) bans: Arc<BanTable>,
    pub(crate) observe_override: ObserveOverride,
    pub(crate) events: Arc<Recorder>,
}

/// The beginning of a policy that trusts `X-Forwarded-For` from loopback.
pub(crate) const TRUSTING: &str = "version = 1\n[client]\ntrusted_proxies = ['127.0.0.0/8']\n";

pub(crate) type GuardedEcho = EchoServer<Guard>;

/// An echo server behind `guard`.
pub(crate) async fn echo_behind(guard: Guard) -> GuardedEcho {
    EchoServer::start(guard.layer(), guard).await
}

/// An echo server with these session limits, whose messages `rule` inspects.
pub(crate) async fn echo_with_limits(
    session_limits: SessionLimits,
    rule: impl InspectMessage + 'static,
) -> EchoServer<SessionParts> {
    echo_with_limits_on_fault(session_limits, rule, OnFault::Refuse).await
}

/// Like [`echo_with_limits`]; `on_fault` decides when `rule` panics.
pub(crate) async fn echo_with_limits_on_fault(
    session_limits: SessionLimits,
    rule: impl InspectMessage + 'static,
    on_fault: OnFault,
) -> EchoServer<SessionParts> {
    let (layer, parts) = layer_with_limits(session_limits, rule, on_fault);
    EchoServer::start(layer.with_connection_source(AutoSource), parts).await
}

/// The layer alone, for a server that inserts the peer address itself.
pub(crate) fn layer_with_limits(
    session_limits: SessionLimits,
    rule: impl InspectMessage + 'static,
    on_fault: OnFault,
) -> (GuardLayer, SessionParts) {
    let clients = ClientRules::default()
        .with_trusted(["127.0.0.0/8".parse().unwrap()])
        .unwrap();
    let policy = Snapshot::new(clients, Arc::new(ProtocolRules::default()))
        .with_messages(Arc::new(rule))
        .with_on_fault(on_fault)
        .with_route_limits(RouteLimits::new(Some(Arc::new(session_limits))));
    let policy = Arc::new(policy);
    let observe_override = ObserveOverride::default();
    let (events, bans) = (Arc::new(Recorder::default()), Arc::new(BanTable::new(8)));
    let sessions = Arc::new(Sessions::new().with_timer(Arc::new(TokioTimer::new())));
    let layer = guard_layer(policy)
        .with_bans(bans.clone())
        .with_observe_override(observe_override.clone())
        .with_sink(events.clone())
        .with_sessions(sessions.clone());
    let parts = SessionParts {
        sessions,
        bans,
        observe_override,
        events,
    };
    (layer, parts)
}

impl SessionParts {
    /// Removes and returns the text of the events so far.
    pub(crate) fn event_texts(&self) -> Vec<String> {
        self.events.take_texts()
    }

    /// Waits until every session has ended.
    ///
    /// # Panics
    ///
    /// If one is open after 5 seconds.
    pub(crate) async fn wait_until_closed(&self) {
        let wait = async {
            while !self.sessions.is_empty() {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(Duration::from_secs(5), wait).await.unwrap();
    }
}
