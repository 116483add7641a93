//! Instances of a fleet, and the changes that they make.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use gabion::{
    Guard,
    ban::{BanArbiter, BanTable},
    inspect::State,
};
use gabion_core::{BanRecord, BanSnapshot, BanUpdate, ChangeListener, RuleId, UpdateOrigin};
use gabion_inspect::LimitTable;
use gabion_store::{SharedBans, SharedOptions, SharedStatus};
use gabion_testkit::{Recorder, RedisServer};
use ipnet::IpNet;

/// A guard that shares its bans.
pub(crate) struct Instance {
    pub(crate) guard: Guard,
    state: State,
    shared: Arc<SharedBans>,
    watch: Arc<Watch>,
}

/// Records the times from bans on other instances to this one, in microseconds.
#[derive(Default)]
struct Watch(Mutex<Vec<u32>>);

/// Changes to make, in turn on all instances.
pub(crate) struct Changes {
    next: u32,
    lifted: u32,
    made: u32,
    stored: u32,
}

/// A budget that admits all bans: the bench measures their exchange.
const POLICY: &str = "version = 1\n[ban]\nmost_per_minute = 100000000\nmost_percent = 100\n";

/// The time limit of a load.
const LONG: Duration = Duration::from_mins(10);

/// Of this many changes, one is a lift.
const LIFTS: u32 = 5;

// === impl Instance ===

impl Instance {
    /// Starts a guard with a table of at most `capacity` bans, of which it has those of a store.
    pub(crate) fn start(redis: &RedisServer, capacity: usize, bans: Vec<BanRecord>) -> Self {
        let arbiter = BanArbiter::new(Arc::new(BanTable::new(capacity)), capacity);
        let state = State::scratch()
            .with_limits(LimitTable::blank())
            .with_arbiter(Arc::new(arbiter));
        let builder = Guard::builder()
            .with_state(state.clone())
            .with_sink(Arc::new(Recorder::default()));
        let guard = builder.with_policy(POLICY, "fleet").expect("a policy");
        let snapshot = BanSnapshot {
            bans,
            ..BanSnapshot::default()
        };
        guard.restore(&snapshot);
        let shared = share(&guard, redis);
        let watch = Arc::new(Watch::default());
        guard.subscribe(&watch);
        Self {
            guard,
            state,
            shared,
            watch,
        }
    }

    /// Bans a client by an operator, or lifts its ban.
    pub(crate) fn ban_or_lift(&self, n: u32, bans: bool) {
        let table = self.state.bans();
        if bans {
            let record = ban(n, SystemTime::now(), 0);
            table.add(&record, UpdateOrigin::Operator, self.guard.now());
        } else {
            table.unban(network(n), UpdateOrigin::Operator);
        }
    }

    pub(crate) fn wait_ready(&self) {
        assert!(self.shared.wait_ready(LONG), "{:?}", self.status());
    }

    pub(crate) fn status(&self) -> SharedStatus {
        self.shared.status()
    }

    /// The number of bans.
    pub(crate) fn len(&self) -> usize {
        self.state.bans().len()
    }

    /// The number of bans, and a sum over their networks and ends.
    pub(crate) fn fingerprint(&self) -> (usize, u64) {
        let records = self.guard.bans().records();
        let number = |record: &BanRecord| match record.network.addr() {
            IpAddr::V4(addr) => u64::from(u32::from(addr)).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            IpAddr::V6(_) => 0,
        };
        let sum = records.iter().map(number).fold(0, u64::wrapping_add);
        (records.len(), sum)
    }

    /// The times of [`Watch`] since the last call.
    pub(crate) fn take_times(&self) -> Vec<u32> {
        std::mem::take(&mut *self.watch.0.lock().expect("no thread panicked"))
    }
}

/// Shares the bans of a guard by Redis, as `examples/guard` does.
pub(crate) fn share(guard: &Guard, redis: &RedisServer) -> Arc<SharedBans> {
    let peers = guard.clone();
    let options = SharedOptions::new(&redis.url()).expect("a URL");
    let shared = SharedBans::start(options, guard.sink(), move |update| {
        peers
            .apply_from_peer(&update)
            .expect("the budget admits all");
    });
    let shared = Arc::new(shared.expect("a thread"));
    guard.subscribe(&shared);
    shared.attach(guard.ban_source());
    shared
}

// === impl Watch ===

impl ChangeListener for Watch {
    fn on_ban(&self, _client: IpNet) {}

    fn on_policy_replaced(&self) {}

    fn on_ban_update(&self, update: &BanUpdate, origin: UpdateOrigin) {
        if let (BanUpdate::Banned(ban), UpdateOrigin::Peer) = (update, origin)
            && ban.offenses == NEW
        {
            let took = SystemTime::now()
                .duration_since(ban.since)
                .unwrap_or_default();
            let took = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
            self.0.lock().expect("no thread panicked").push(took);
        }
    }
}

// === impl Changes ===

impl Changes {
    /// Changes to a fleet with this many bans.
    pub(crate) const fn new(stored: u32) -> Self {
        Self {
            next: stored,
            lifted: 0,
            made: 0,
            stored,
        }
    }

    /// Makes the next change, on an instance: a ban of a new client, or a lift of a stored one.
    pub(crate) fn make(&mut self, instance: &Instance) {
        self.made += 1;
        if self.made.is_multiple_of(LIFTS) && self.lifted < self.stored {
            let bans = instance.state.bans();
            bans.unban(network(self.lifted), UpdateOrigin::Rule);
            self.lifted += 1;
            return;
        }
        let record = ban(self.next, SystemTime::now(), NEW);
        let now = instance.guard.now();
        instance.state.bans().add(&record, UpdateOrigin::Rule, now);
        self.next += 1;
    }

    /// The number of bans after all changes.
    pub(crate) const fn bans(&self) -> usize {
        (self.next - self.lifted) as usize
    }
}

/// The numbers of offenses of bans before and during the load.
const STORED: u32 = 1;
const NEW: u32 = 2;

/// The bans of a store.
pub(crate) fn stored(bans: u32) -> Vec<BanRecord> {
    // Before the time for which the ban budget counts.
    let since = SystemTime::now() - Duration::from_hours(1);
    (0..bans).map(|n| ban(n, since, STORED)).collect()
}

fn ban(n: u32, since: SystemTime, offenses: u32) -> BanRecord {
    BanRecord {
        network: network(n),
        by: RuleId::builtin("dotfiles"),
        reason: Some("path contains .env".into()),
        since,
        until: since + Duration::from_hours(24),
        offenses,
    }
}

/// The `n`th client. Clients with neighboring numbers are in different networks, so that the ban budget of a /24
/// admits all.
pub(crate) fn network(n: u32) -> IpNet {
    let addr = 0x2000_0000 | (n.wrapping_mul(0x9e37_79b1) & 0x1fff_ffff);
    IpAddr::V4(Ipv4Addr::from(addr)).into()
}
