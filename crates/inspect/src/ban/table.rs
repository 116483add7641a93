//! Clients that are banned for a time.

use std::{
    collections::BTreeSet,
    fmt,
    hash::RandomState,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use gabion_core::{
    BanOutcome, ChangeListener, ChangeListeners, ClientIp, Now, Offense, OffenseRecorder, RuleId,
};
use ipnet::IpNet;

#[expect(clippy::disallowed_types, reason = "`BanTable` holds its capacity")]
type Map = papaya::HashMap<IpNet, Held, RandomState>;

/// Timed bans, at most so many, shared by every thread and kept across reloads of the policy.
///
/// A ban is kept under what counted as one client when it fell ([`ClientIp::network`]). A policy
/// that changes the length of that prefix for IPv6 therefore loses sight of the IPv6 bans made
/// before: they lapse unread.
///
/// # Capacity
///
/// In a full table the ban nearest its end goes early, and [`BanOutcome::Banned`] names it. A new
/// ban is taken even if it would end before all others, since its client is the one that is
/// attacking now. A flood of short bans cannot clear a table of long ones by that: each is nearest
/// its end when the next comes, so together they take one place.
///
/// # Cost
///
/// [`Self::standing`] takes no lock and allocates nothing. Bans are written one at a time, each in
/// logarithmic time. An entry takes about 160 bytes.
pub struct BanTable {
    bans: Map,
    // Invariant: the end and key of every entry of `bans`, which is written only under this lock.
    ends: Mutex<Ends>,
    capacity: usize,
    listeners: ChangeListeners,
}

/// A ban in force.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveBan {
    /// The rule that banned. Of several the one whose ban ends last.
    pub by: RuleId,
    /// How long the ban still lasts; never zero.
    pub left: Duration,
    /// The operator's reason; `None` for a ban by a rule.
    pub reason: Option<Arc<str>>,
}

type Ends = BTreeSet<(Duration, IpNet)>;

#[derive(Debug)]
struct Held {
    by: RuleId,
    reason: Option<Arc<str>>,
    until: Duration,
}

// === impl BanTable ===

impl BanTable {
    /// How many bans [`Self::remove_expired`] drops before it lets others write.
    const SWEPT_AT_ONCE: usize = 1024;

    /// A table of at most `capacity` bans, and of one at least.
    pub fn new(capacity: usize) -> Self {
        Self {
            bans: Map::default(),
            ends: Mutex::default(),
            capacity: capacity.max(1),
            listeners: ChangeListeners::default(),
        }
    }

    /// Tells `listener` of each ban from now on, as long as it lives.
    pub fn subscribe(&self, listener: Weak<dyn ChangeListener>) {
        self.listeners.subscribe(listener);
    }

    /// The ban that `client` is under at `now`.
    pub fn active(&self, client: &ClientIp, now: Now) -> Option<ActiveBan> {
        self.bans.pin().get(&client.network())?.active(now)
    }

    /// Ends the ban of a client, given as [`ClientIp::network`] or as [`Self::list`] shows it.
    /// Whether there was one.
    pub fn unban(&self, network: IpNet) -> bool {
        let mut ends = self.ends();
        let bans = self.bans.pin();
        match bans.remove(&network) {
            Some(held) => ends.remove(&(held.until, network)),
            None => false,
        }
    }

    /// Drops the bans that are over at `now`, and says how many. Until then they take memory and
    /// refuse nobody.
    ///
    /// # Cost
    ///
    /// About a microsecond for each that is dropped; others may ban between batches of them.
    pub fn remove_expired(&self, now: Now) -> usize {
        let mut dropped = 0;
        loop {
            let mut ends = self.ends();
            for _ in 0..Self::SWEPT_AT_ONCE {
                match ends.first() {
                    Some(&(until, network)) if until <= now.mono() => {
                        ends.pop_first();
                        self.bans.pin().remove(&network);
                        dropped += 1;
                    }
                    _ => return dropped,
                }
            }
        }
    }

    /// The bans in force at `now`, the one nearest its end first.
    ///
    /// # Cost
    ///
    /// Copies and sorts the table; bans that fall meanwhile do not wait for it.
    pub fn list(&self, now: Now) -> Vec<(IpNet, ActiveBan)> {
        let bans = self.bans.pin();
        let standing = bans
            .iter()
            .filter_map(|(&network, held)| Some((network, held.active(now)?)));
        let mut list: Vec<_> = standing.collect();
        list.sort_unstable_by_key(|(network, standing)| (standing.left, *network));
        list
    }

    /// How many bans are held, those included that are over but not swept yet.
    pub fn len(&self) -> usize {
        self.ends().len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bans are held at most.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    fn hold(&self, network: IpNet, offense: &Offense, now: Now) -> BanOutcome {
        let (by, reason) = (offense.rule.clone(), offense.reason.clone());
        let until = now.mono().saturating_add(offense.ban_for);
        let mut ends = self.ends();
        let bans = self.bans.pin();
        let mut outcome = BanOutcome::Banned { evicted: None };
        if let Some(held) = bans.get(&network) {
            if held.until > now.mono() {
                outcome = BanOutcome::AlreadyBanned;
            }
            if held.until >= until {
                return outcome;
            }
            ends.remove(&(held.until, network));
        } else if ends.len() >= self.capacity
            && let Some((end, first)) = ends.pop_first()
        {
            bans.remove(&first);
            let evicted = (end > now.mono()).then_some(first);
            outcome = BanOutcome::Banned { evicted };
        }
        ends.insert((until, network));
        bans.insert(network, Held { by, reason, until });
        outcome
    }

    /// Nothing can panic between a write to the map and one to the set, so both are whole even
    /// where a writer's thread died.
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OffenseRecorder for BanTable {
    fn record_offense(&self, client: &ClientIp, offense: &Offense, now: Now) -> BanOutcome {
        let network = client.network();
        let outcome = self.hold(network, offense, now);
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

// === impl Held ===

impl Held {
    fn active(&self, now: Now) -> Option<ActiveBan> {
        let left = self.until.checked_sub(now.mono())?;
        (!left.is_zero()).then(|| ActiveBan {
            by: self.by.clone(),
            left,
            reason: self.reason.clone(),
        })
    }
}
