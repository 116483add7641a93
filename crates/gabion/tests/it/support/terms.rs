//! A house whose sockets are held to terms made by hand.

use std::{sync::Arc, time::Duration};

use gabion::{
    Axum, BanTable, ClientRules, HeadLayer, Inspect, OnFault, Snapshot, SystemClock, Truce,
};
use gabion_core::{Routes, Terms};
use gabion_testkit::Recorder;
use gabion_tower::{Keeper, Sessions};
use hyper_util::rt::TokioTimer;
use tokio::time::{sleep, timeout};

use super::house::House;

/// What stands before such a house.
pub(crate) struct Held {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) bans: Arc<BanTable>,
    pub(crate) truce: Truce,
    pub(crate) told: Arc<Recorder>,
}

/// A house whose sockets are held to `terms`, and whose messages are judged by `rule`.
pub(crate) async fn house(terms: Terms, rule: impl Inspect + 'static) -> House<Held> {
    house_with(terms, rule, OnFault::Refuse).await
}

/// The same, and what becomes of what `rule` panics over.
pub(crate) async fn house_with(
    terms: Terms,
    rule: impl Inspect + 'static,
    on_fault: OnFault,
) -> House<Held> {
    let (layer, held) = layer(terms, rule, on_fault);
    House::behind(layer.with_server(Axum), held).await
}

/// The layer alone, for a server that says who its peers are.
pub(crate) fn layer(
    terms: Terms,
    rule: impl Inspect + 'static,
    on_fault: OnFault,
) -> (HeadLayer, Held) {
    let clients = ClientRules::default()
        .with_trusted(["127.0.0.0/8".parse().unwrap()])
        .unwrap();
    let policy = Snapshot::new(clients, Arc::new(rule))
        .with_on_fault(on_fault)
        .with_routes(Routes::new(Some(Arc::new(terms))));
    let policy = Arc::new(policy);
    let (clock, truce) = (Arc::new(SystemClock::new()), Truce::default());
    let (told, bans) = (Arc::new(Recorder::default()), Arc::new(BanTable::new(8)));
    let sessions = Sessions::new(clock.clone())
        .with_sink(told.clone())
        .with_timer(Arc::new(TokioTimer::new()));
    let keeper = Keeper::new(sessions, policy.clone(), clock, truce.clone());
    let keeper = Arc::new(keeper.with_bans(bans.clone()));
    let layer = HeadLayer::new(policy)
        .with_bans(bans.clone())
        .with_truce(truce.clone())
        .with_sink(told.clone())
        .with_keeper(keeper.clone());
    let held = Held {
        keeper,
        bans,
        truce,
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
            while !self.before().keeper.sessions().is_empty() {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(Duration::from_secs(5), wait).await.unwrap();
    }
}
