//! A house whose sockets are held to terms made by hand.

use std::{sync::Arc, time::Duration};

use gabion::{
    GuardLayer, Inspect,
    ban::BanTable,
    client::{AutoSource, ClientRules},
    inspect::{ObserveOverride, OnFault, SystemClock},
};
use gabion_core::Snapshot;
use gabion_core::{RouteLimits, SessionLimits};
use gabion_testkit::Recorder;
use gabion_tower::{SessionEnforcer, Sessions, guard_layer};
use hyper_util::rt::TokioTimer;
use tokio::time::{sleep, timeout};

use super::house::House;

/// What stands before such a house.
pub(crate) struct Held {
    pub(crate) enforcer: Arc<SessionEnforcer>,
    pub(crate) bans: Arc<BanTable>,
    pub(crate) observe_override: ObserveOverride,
    pub(crate) told: Arc<Recorder>,
}

/// A house whose sockets are held to `session_limits`, and whose messages are judged by `rule`.
pub(crate) async fn house(
    session_limits: SessionLimits,
    rule: impl Inspect + 'static,
) -> House<Held> {
    house_with(session_limits, rule, OnFault::Refuse).await
}

/// The same, and what becomes of what `rule` panics over.
pub(crate) async fn house_with(
    session_limits: SessionLimits,
    rule: impl Inspect + 'static,
    on_fault: OnFault,
) -> House<Held> {
    let (layer, held) = layer(session_limits, rule, on_fault);
    House::behind(layer.with_connection_source(AutoSource), held).await
}

/// The layer alone, for a server that says who its peers are.
pub(crate) fn layer(
    session_limits: SessionLimits,
    rule: impl Inspect + 'static,
    on_fault: OnFault,
) -> (GuardLayer, Held) {
    let clients = ClientRules::default()
        .with_trusted(["127.0.0.0/8".parse().unwrap()])
        .unwrap();
    let policy = Snapshot::new(clients, Arc::new(rule))
        .with_on_fault(on_fault)
        .with_route_limits(RouteLimits::new(Some(Arc::new(session_limits))));
    let policy = Arc::new(policy);
    let (clock, observe_override) = (Arc::new(SystemClock::new()), ObserveOverride::default());
    let (told, bans) = (Arc::new(Recorder::default()), Arc::new(BanTable::new(8)));
    let sessions = Sessions::new(clock.clone())
        .with_sink(told.clone())
        .with_timer(Arc::new(TokioTimer::new()));
    let enforcer = SessionEnforcer::new(sessions, policy.clone(), clock, observe_override.clone());
    let enforcer = Arc::new(enforcer.with_bans(bans.clone()));
    let layer = guard_layer(policy)
        .with_bans(bans.clone())
        .with_observe_override(observe_override.clone())
        .with_sink(told.clone())
        .with_session_enforcer(enforcer.clone());
    let held = Held {
        enforcer,
        bans,
        observe_override,
        told,
    };
    (layer, held)
}

impl House<Held> {
    /// What was told, in words, since it was last asked.
    pub(crate) fn told(&self) -> Vec<String> {
        self.before().told.take_words()
    }

    /// Waits until the service has heard so much, and gives it.
    pub(crate) async fn hears(&self, len: usize) -> Vec<u8> {
        let wait = async {
            while self.heard().len() < len {
                sleep(Duration::from_millis(2)).await;
            }
        };
        let came = timeout(Duration::from_secs(5), wait).await.is_ok();
        assert!(came, "{}", self.heard().escape_ascii());
        self.heard()
    }

    /// Waits until every session has ended.
    pub(crate) async fn empties(&self) {
        let wait = async {
            while !self.before().enforcer.sessions().is_empty() {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(Duration::from_secs(5), wait).await.unwrap();
    }
}
