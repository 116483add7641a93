//! Clients with a timed ban.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use gabion_core::{
    BanOutcome, BanRecord, BanUpdate, ChangeListener, ChangeListeners, ClientIp, Now, Offense,
    OffenseRecorder, Placement, RuleId, UpdateOrigin,
};
use ipnet::IpNet;

use crate::{
    TableUsage,
    timed_map::{Insertion, TimedMap},
};

/// A bounded table of timed bans, shared by all threads and kept across policy reloads.
///
/// Bans are keyed by the client network at the time of the ban ([`ClientIp::network`]), or by the /24 or /48
/// around it, which bans every client inside. If a new policy changes the prefix length of IPv6 clients,
/// earlier IPv6 bans no longer match and expire unused.
///
/// # Capacity
///
/// A full table evicts the ban that would end first, and [`BanOutcome::Banned`] names it. A new ban
/// is added even if it would end before all others, since its client is attacking now. A flood of
/// short bans cannot displace the long bans: each short ban is the one that ends first when the
/// next arrives, so together they take one entry.
///
/// # Cost
///
/// [`Self::active`] takes no lock and allocates nothing. Bans are written one at a time, in
/// logarithmic time, and listeners are notified in that order. An entry takes about 200 bytes.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
///
/// use gabion_core::{Now, Offense, OffenseRecorder, RuleId, UpdateOrigin};
/// use gabion_inspect::BanTable;
/// # let client = gabion_testkit::client_at("203.0.113.9");
///
/// let bans = BanTable::new(100);
/// let now = Now::new(Duration::ZERO, UNIX_EPOCH);
/// assert!(bans.active(&client, now).is_none());
///
/// let offense = Offense::certain(RuleId::builtin("probe"), Duration::from_mins(10));
/// bans.record_offense(&client, &offense, now);
/// assert_eq!(bans.active(&client, now).unwrap().by.as_str(), "probe");
/// assert!(bans.unban(client.network(), UpdateOrigin::Operator));
/// assert!(bans.active(&client, now).is_none());
/// ```
pub struct BanTable {
    bans: TimedMap<Ban>,
    listeners: Arc<ChangeListeners>,
}

/// A ban in force, as [`BanTable::active`] and [`BanTable::list`] return it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveBan {
    /// The rule that banned the client; of several, the rule whose ban ends last.
    pub by: RuleId,
    /// The remaining time; never zero.
    pub left: Duration,
    /// The reason that an operator gave, or `None` for a ban by a rule.
    pub reason: Option<Arc<str>>,
    /// The beginning of the ban, by the wall clock.
    pub since: SystemTime,
    /// The number of offenses of the client that count, 0 for a ban by an operator.
    pub offenses: u32,
}

/// The value of an entry.
#[derive(Clone, Debug)]
struct Ban {
    by: RuleId,
    reason: Option<Arc<str>>,
    since: SystemTime,
    offenses: u32,
}

// === impl BanTable ===

impl BanTable {
    /// Creates a table of at most `capacity` bans, at least 1.
    pub fn new(capacity: usize) -> Self {
        Self {
            bans: TimedMap::new(capacity),
            listeners: Arc::default(),
        }
    }

    /// Notifies `listener` of every later change while it is alive. Held weakly.
    pub fn subscribe(&self, listener: Weak<dyn ChangeListener>) {
        self.listeners.subscribe(listener);
    }

    /// The listeners, for the tables whose changes are updates too.
    pub(crate) const fn listeners(&self) -> &Arc<ChangeListeners> {
        &self.listeners
    }

    /// Returns the ban of `client` in force at `now`, or that of the network around it.
    pub fn active(&self, client: &ClientIp, now: Now) -> Option<ActiveBan> {
        let (ban, left) = self.bans.find(client, now)?;
        Some(ban.active(left))
    }

    /// Adds the ban of an operator, of another instance or of the store. One that has ended is ignored
    /// ([`BanOutcome::Withheld`]); of two bans the later end counts.
    pub fn add(&self, record: &BanRecord, origin: UpdateOrigin, now: Now) -> BanOutcome {
        match record.until.duration_since(now.wall()) {
            Ok(left) if !left.is_zero() => self.insert(record, left, origin, now),
            _ => BanOutcome::Withheld("the ban has ended"),
        }
    }

    /// Removes the ban of a network, as [`Self::list`] returns it. Returns `true` if there was one.
    pub fn unban(&self, network: IpNet, origin: UpdateOrigin) -> bool {
        let mut bans = self.bans.writer();
        let was_banned = bans.remove(network).is_some();
        if was_banned {
            self.notify(&BanUpdate::Lifted(network), origin);
        }
        was_banned
    }

    /// Removes the bans of all networks that `selects` names, and returns the networks.
    ///
    /// # Cost
    ///
    /// Visits the whole table while no other thread can ban.
    pub fn unban_where(
        &self,
        selects: impl Fn(&IpNet) -> bool,
        origin: UpdateOrigin,
    ) -> Vec<IpNet> {
        let mut bans = self.bans.writer();
        let lifted = bans.remove_where(selects);
        for network in &lifted {
            self.notify(&BanUpdate::Lifted(*network), origin);
        }
        lifted
    }

    /// Drops the bans that ended by `now` and returns their number. Until then they take memory but
    /// deny no requests.
    ///
    /// # Cost
    ///
    /// About a microsecond per dropped ban. Other threads may ban between batches.
    pub fn remove_expired(&self, now: Now) -> usize {
        self.bans.remove_expired(now)
    }

    /// Returns the bans in force at `now`, sorted by remaining time, shortest first.
    ///
    /// # Cost
    ///
    /// Copies and sorts the table without blocking new bans.
    pub fn list(&self, now: Now) -> Vec<(IpNet, ActiveBan)> {
        let bans = self.bans.list(now).into_iter();
        bans.map(|(network, ban, left)| (network, ban.active(left)))
            .collect()
    }

    /// Returns the bans of [`Self::list`] with the wall-clock times of their ends.
    pub fn records(&self, now: Now) -> Vec<BanRecord> {
        let record = |(network, ban, left): (IpNet, Ban, Duration)| BanRecord {
            network,
            by: ban.by,
            reason: ban.reason,
            since: ban.since,
            until: now.wall_after(left),
            offenses: ban.offenses,
        };
        self.bans.list(now).into_iter().map(record).collect()
    }

    /// Returns the number of bans, including expired bans that [`Self::remove_expired`] has not
    /// dropped yet.
    pub fn len(&self) -> usize {
        self.bans.len()
    }

    /// Returns the use of the table, as `bans`.
    pub fn usage(&self) -> TableUsage {
        self.bans.usage("bans")
    }

    /// Returns `true` if the table is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the largest number of bans.
    pub const fn capacity(&self) -> usize {
        self.bans.capacity()
    }

    /// Adds a ban for `left` and notifies listeners.
    pub(super) fn insert(
        &self,
        record: &BanRecord,
        left: Duration,
        origin: UpdateOrigin,
        now: Now,
    ) -> BanOutcome {
        let ban = Ban {
            by: record.by.clone(),
            reason: record.reason.clone(),
            since: record.since,
            offenses: record.offenses,
        };
        let until = now.mono().saturating_add(left);
        let mut bans = self.bans.writer();
        let insertion = bans.insert(record.network, ban, until, now);
        if insertion == Insertion::Kept {
            return BanOutcome::AlreadyBanned;
        }
        // Under the lock of the table, so that stores receive the changes of a network in order.
        self.notify(&BanUpdate::Banned(record.clone()), origin);
        drop(bans);
        match insertion {
            Insertion::New { evicted } => {
                let network = record.network;
                self.listeners.notify(|listener| listener.on_ban(network));
                let placement = Placement::new(left).with_offenses(record.offenses);
                BanOutcome::Banned(placement.with_evicted(evicted))
            }
            Insertion::Extended | Insertion::Kept => BanOutcome::AlreadyBanned,
        }
    }

    fn notify(&self, update: &BanUpdate, origin: UpdateOrigin) {
        self.listeners
            .notify(|listener| listener.on_ban_update(update, origin));
    }
}

impl OffenseRecorder for BanTable {
    /// Bans the client for the length in `offense`.
    fn record_offense(&self, client: &ClientIp, offense: &Offense, now: Now) -> BanOutcome {
        let record = BanRecord {
            network: client.network(),
            by: offense.rule.clone(),
            reason: offense.reason.clone(),
            since: now.wall(),
            until: now.wall_after(offense.ban_for),
            offenses: 1,
        };
        self.insert(&record, offense.ban_for, UpdateOrigin::Rule, now)
    }
}

impl fmt::Debug for BanTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BanTable")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

// === impl Ban ===

impl Ban {
    fn active(self, left: Duration) -> ActiveBan {
        ActiveBan {
            by: self.by,
            left,
            reason: self.reason,
            since: self.since,
            offenses: self.offenses,
        }
    }
}
