//! Instances that share their bans by a real Redis.

use std::sync::{Arc, Weak};

use gabion_core::{BanSource, ChangeListener, UpdateOrigin};
use gabion_store::{SharedBans, SharedOptions};
use gabion_testkit::{Recorder, RedisServer};

use crate::support::{LONG, Table, wait_until};

/// A server by which instances share their bans.
pub(super) trait Shares {
    fn options(&self) -> SharedOptions;

    /// A connection for commands of a test.
    fn connection(&self) -> redis::Connection;

    fn instance(&self) -> Instance;
}

/// An instance: a table of bans and its exchange.
pub(super) struct Instance {
    pub(super) table: Arc<Table>,
    pub(super) shared: Arc<SharedBans>,
    pub(super) recorder: Arc<Recorder>,
}

// === impl RedisServer ===

impl Shares for RedisServer {
    fn options(&self) -> SharedOptions {
        SharedOptions::new(&self.url()).unwrap()
    }

    fn connection(&self) -> redis::Connection {
        redis::Client::open(self.url())
            .unwrap()
            .get_connection()
            .unwrap()
    }

    fn instance(&self) -> Instance {
        Instance::start(self.options(), Arc::default())
    }
}

// === impl Instance ===

impl Instance {
    pub(super) fn start(options: SharedOptions, table: Arc<Table>) -> Self {
        let recorder = Arc::new(Recorder::default());
        let peer = Arc::clone(&table);
        let shared = SharedBans::start(options, recorder.clone(), move |update| {
            peer.apply_from(&update, UpdateOrigin::Peer);
        });
        let shared = Arc::new(shared.unwrap());
        let listener: Arc<dyn ChangeListener> = shared.clone();
        table.subscribe(Arc::downgrade(&listener));
        let source: Weak<dyn BanSource> = Arc::downgrade(&(table.clone() as Arc<dyn BanSource>));
        shared.attach(source);
        Self {
            table,
            shared,
            recorder,
        }
    }

    #[track_caller]
    pub(super) fn ready(self) -> Self {
        assert!(self.shared.wait_ready(LONG), "{:?}", self.shared.status());
        self
    }
}

/// Waits until all instances and a new one have the same bans, and returns their number.
#[track_caller]
pub(super) fn converge(server: &RedisServer, instances: &[Instance], at_least: usize) -> usize {
    let banned = |instance: &Instance| instance.table.banned();
    wait_until("the instances have the same bans", || {
        let first = banned(&instances[0]);
        let is_idle = |instance: &Instance| instance.shared.status().queued == 0;
        first.len() >= at_least
            && instances.iter().all(is_idle)
            && instances.iter().all(|instance| banned(instance) == first)
    });
    let new = server.instance().ready();
    wait_until("a new instance has the same bans", || {
        banned(&new) == banned(&instances[0])
    });
    banned(&new).len()
}
