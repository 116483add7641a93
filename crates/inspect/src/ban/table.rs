//! Clients with a timed ban.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gabion_core::{
    BanOutcome, BuildClientKeyHasher, ChangeListener, ChangeListeners, ClientIp, ClientKey, Now,
    Offense, OffenseRecorder, RuleId,
};
use ipnet::IpNet;

#[expect(clippy::disallowed_types, reason = "`BanTable` bounds its size")]
type Map = papaya::HashMap<ClientKey, Entry, BuildClientKeyHasher>;

/// A bounded table of timed bans, shared by all threads and kept across policy reloads.
///
/// Bans are keyed by the client network at the time of the ban ([`ClientIp::network`]). If a new
/// policy changes the prefix length of IPv6 clients, earlier IPv6 bans no longer match and expire
/// unused.
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
/// logarithmic time. An entry takes about 160 bytes.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
///
/// use gabion_core::{Now, Offense, OffenseRecorder, RuleId};
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
/// assert!(bans.unban(client.network()));
/// assert!(bans.active(&client, now).is_none());
/// ```
pub struct BanTable {
    bans: Map,
    // Invariant: holds the end and the key of every entry of `bans`, which is written only under
    // this lock.
    ends: Mutex<Ends>,
    /// The second, by the monotonic clock, until which some ban may be in force.
    last_end: AtomicU64,
    capacity: usize,
    listeners: ChangeListeners,
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
}

type Ends = BTreeSet<(Duration, IpNet)>;

#[derive(Debug)]
struct Entry {
    by: RuleId,
    reason: Option<Arc<str>>,
    until: Duration,
}

// === impl BanTable ===

impl BanTable {
    /// The number of bans that [`Self::remove_expired`] drops per lock acquisition.
    const BATCH: usize = 1024;

    /// Creates a table of at most `capacity` bans, at least 1.
    pub fn new(capacity: usize) -> Self {
        Self {
            bans: Map::default(),
            ends: Mutex::default(),
            last_end: AtomicU64::new(0),
            capacity: capacity.max(1),
            listeners: ChangeListeners::default(),
        }
    }

    /// Notifies `listener` of every later ban while it is alive. Held weakly.
    pub fn subscribe(&self, listener: Weak<dyn ChangeListener>) {
        self.listeners.subscribe(listener);
    }

    /// Returns the ban of `client` in force at `now`.
    pub fn active(&self, client: &ClientIp, now: Now) -> Option<ActiveBan> {
        if now.mono().as_secs() >= self.last_end.load(Ordering::Relaxed) {
            return None;
        }
        self.bans.pin().get(&ClientKey::from(client))?.active(now)
    }

    /// Removes the ban of a client, given as [`ClientIp::network`] or as [`Self::list`] returns it.
    /// Returns `true` if there was one.
    pub fn unban(&self, network: IpNet) -> bool {
        let mut ends = self.ends();
        let bans = self.bans.pin();
        match bans.remove(&ClientKey::from(network)) {
            Some(entry) => ends.remove(&(entry.until, network)),
            None => false,
        }
    }

    /// Drops the bans that ended by `now` and returns their number. Until then they take memory but
    /// deny no requests.
    ///
    /// # Cost
    ///
    /// About a microsecond per dropped ban. Other threads may ban between batches.
    pub fn remove_expired(&self, now: Now) -> usize {
        let mut dropped = 0;
        loop {
            let mut ends = self.ends();
            for _ in 0..Self::BATCH {
                match ends.first() {
                    Some(&(until, network)) if until <= now.mono() => {
                        ends.pop_first();
                        self.bans.pin().remove(&ClientKey::from(network));
                        dropped += 1;
                    }
                    _ => return dropped,
                }
            }
        }
    }

    /// Returns the bans in force at `now`, sorted by remaining time, shortest first.
    ///
    /// # Cost
    ///
    /// Copies and sorts the table without blocking new bans.
    pub fn list(&self, now: Now) -> Vec<(IpNet, ActiveBan)> {
        let bans = self.bans.pin();
        let active = bans
            .iter()
            .filter_map(|(client, entry)| Some((client.network(), entry.active(now)?)));
        let mut list: Vec<_> = active.collect();
        list.sort_unstable_by_key(|(network, ban)| (ban.left, *network));
        list
    }

    /// Returns the number of bans, including expired bans that [`Self::remove_expired`] has not
    /// dropped yet.
    pub fn len(&self) -> usize {
        self.ends().len()
    }

    /// Returns `true` if the table is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the largest number of bans.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    fn insert(&self, client: ClientKey, offense: &Offense, now: Now) -> BanOutcome {
        let (by, reason) = (offense.rule.clone(), offense.reason.clone());
        let until = now.mono().saturating_add(offense.ban_for);
        let mut ends = self.ends();
        let bans = self.bans.pin();
        let mut outcome = BanOutcome::Banned { evicted: None };
        if let Some(entry) = bans.get(&client) {
            if entry.until > now.mono() {
                outcome = BanOutcome::AlreadyBanned;
            }
            if entry.until >= until {
                return outcome;
            }
            ends.remove(&(entry.until, client.network()));
        } else if ends.len() >= self.capacity
            && let Some((end, first)) = ends.pop_first()
        {
            bans.remove(&ClientKey::from(first));
            let evicted = (end > now.mono()).then_some(first);
            outcome = BanOutcome::Banned { evicted };
        }
        let last_end = until.as_secs().saturating_add(1);
        self.last_end.fetch_max(last_end, Ordering::Relaxed);
        ends.insert((until, client.network()));
        bans.insert(client, Entry { by, reason, until });
        outcome
    }

    /// Locks `ends`. No code can panic between a write to the map and the write to the set, so both
    /// are consistent even if a writing thread panicked.
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OffenseRecorder for BanTable {
    fn record_offense(&self, client: &ClientIp, offense: &Offense, now: Now) -> BanOutcome {
        let network = client.network();
        let outcome = self.insert(client.into(), offense, now);
        if let BanOutcome::Banned { .. } = outcome {
            self.listeners.notify(|listener| listener.on_ban(network));
        }
        outcome
    }
}

impl fmt::Debug for BanTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BanTable")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

// === impl Entry ===

impl Entry {
    fn active(&self, now: Now) -> Option<ActiveBan> {
        let left = self.until.checked_sub(now.mono())?;
        (!left.is_zero()).then(|| ActiveBan {
            by: self.by.clone(),
            left,
            reason: self.reason.clone(),
        })
    }
}
