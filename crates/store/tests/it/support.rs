//! A table of bans in memory, and stores in temporary folders.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, Weak},
    thread,
    time::{Duration, Instant, SystemTime},
};

use gabion_core::{
    AllowRecord, BanRecord, BanSnapshot, BanSource, BanUpdate, ChangeListener, OffenseHistory,
    RuleId, UpdateOrigin,
};
use gabion_store::{PartState, Store, StoreOptions};
use gabion_testkit::{Recorder, TempFolder};
use ipnet::IpNet;

/// A time limit that no test reaches.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A table of bans that notifies a store of its changes, under its lock.
#[derive(Default)]
pub(crate) struct Table {
    rows: Mutex<Rows>,
    listeners: Mutex<Vec<Weak<dyn ChangeListener>>>,
}

#[derive(Clone, Default)]
pub(crate) struct Rows {
    pub(crate) bans: BTreeMap<IpNet, BanRecord>,
    pub(crate) allows: BTreeMap<IpNet, AllowRecord>,
    pub(crate) offenses: BTreeMap<IpNet, OffenseHistory>,
}

impl Table {
    /// A table that is attached to `store` and has its bans.
    pub(crate) fn with(store: &Arc<Store>) -> Arc<Self> {
        let table = Arc::new(Self::default());
        table.restore_bans(store.restored());
        table.connect(store);
        table
    }

    pub(crate) fn connect(self: &Arc<Self>, store: &Arc<Store>) {
        self.subscribe(Arc::downgrade(
            &(Arc::clone(store) as Arc<dyn ChangeListener>),
        ));
        let weak: Weak<dyn BanSource> = Arc::downgrade(&(Arc::clone(self) as Arc<dyn BanSource>));
        store.attach(weak);
    }

    pub(crate) fn subscribe(&self, listener: Weak<dyn ChangeListener>) {
        self.listeners.lock().unwrap().push(listener);
    }

    /// A change by this instance.
    pub(crate) fn apply(&self, update: &BanUpdate) {
        self.apply_from(update, UpdateOrigin::Rule);
    }

    /// A change by this instance or another one. Of two bans of a network the later end counts.
    pub(crate) fn apply_from(&self, update: &BanUpdate, origin: UpdateOrigin) {
        let mut rows = self.rows.lock().unwrap();
        if let BanUpdate::Banned(ban) = update
            && (rows.bans.get(&ban.network)).is_some_and(|own| own.until >= ban.until)
        {
            return;
        }
        rows.apply(update);
        let listeners = self.listeners.lock().unwrap();
        for listener in listeners.iter().filter_map(Weak::upgrade) {
            listener.on_ban_update(update, origin);
        }
    }

    #[cfg(feature = "redis")]
    pub(crate) fn allowed(&self) -> Vec<IpNet> {
        self.rows.lock().unwrap().allows.keys().copied().collect()
    }

    pub(crate) fn banned(&self) -> Vec<IpNet> {
        self.rows.lock().unwrap().bans.keys().copied().collect()
    }
}

impl Rows {
    fn apply(&mut self, update: &BanUpdate) {
        match update {
            BanUpdate::Banned(ban) => {
                self.bans.insert(ban.network, ban.clone());
                let network = ban.network;
                let history = OffenseHistory {
                    network,
                    offenses: ban.offenses,
                    last: ban.until,
                };
                self.offenses.insert(network, history);
            }
            BanUpdate::Lifted(network) => _ = self.bans.remove(network),
            BanUpdate::Allowed(allow) => _ = self.allows.insert(allow.network, allow.clone()),
            BanUpdate::Disallowed(network) => _ = self.allows.remove(network),
            BanUpdate::Forgotten(network) => {
                self.bans.remove(network);
                self.allows.remove(network);
                self.offenses.remove(network);
            }
        }
    }
}

impl BanSource for Table {
    fn ban_snapshot(&self) -> BanSnapshot {
        let rows = self.rows.lock().unwrap().clone();
        BanSnapshot {
            bans: rows.bans.into_values().collect(),
            allows: rows.allows.into_values().collect(),
            offenses: rows.offenses.into_values().collect(),
        }
    }

    fn restore_bans(&self, snapshot: BanSnapshot) {
        let mut rows = self.rows.lock().unwrap();
        for ban in snapshot.bans {
            rows.bans.entry(ban.network).or_insert(ban);
        }
        for allow in snapshot.allows {
            rows.allows.entry(allow.network).or_insert(allow);
        }
        for history in snapshot.offenses {
            rows.offenses.entry(history.network).or_insert(history);
        }
    }
}

/// The `n`th client.
pub(crate) fn client(n: u32) -> IpNet {
    IpNet::from(std::net::IpAddr::V4(Ipv4Addr::from(0xcb00_0000 + n)))
}

/// A ban of the `n`th client for a day.
pub(crate) fn ban(n: u32) -> BanUpdate {
    ban_for(client(n), Duration::from_hours(24))
}

pub(crate) fn ban_for(network: IpNet, time: Duration) -> BanUpdate {
    let since = now();
    BanUpdate::Banned(BanRecord {
        network,
        by: RuleId::builtin("dotfiles"),
        reason: Some("asked for .env".into()),
        since,
        until: since + time,
        offenses: 1,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "records have times of the wall clock"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

pub(crate) fn open(folder: &TempFolder) -> (Arc<Store>, Arc<Recorder>) {
    open_with(StoreOptions::new(folder.path()))
}

pub(crate) fn open_with(options: StoreOptions) -> (Arc<Store>, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let store = Store::open(options, recorder.clone()).unwrap();
    (Arc::new(store), recorder)
}

/// Polls `condition` for at most 30 seconds.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a test waits for a thread")]
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LONG, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[track_caller]
pub(crate) fn wait_for_state(store: &Store, state: PartState) {
    wait_until(&format!("{state}"), || store.status().bans.state == state);
}

/// The networks that a store in `folder` restores.
pub(crate) fn stored(folder: &TempFolder) -> Vec<IpNet> {
    let (store, _) = open(folder);
    let mut networks: Vec<_> = store
        .restored()
        .bans
        .iter()
        .map(|ban| ban.network)
        .collect();
    networks.sort_unstable();
    networks
}
