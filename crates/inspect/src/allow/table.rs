//! Clients that an operator exempted for a time.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use gabion_core::{AllowRecord, BanUpdate, ChangeListeners, ClientIp, Now, UpdateOrigin};
use ipnet::IpNet;

use crate::{
    TableUsage,
    timed_map::{Insertion, TimedMap},
};

/// A bounded table of temporary exemptions: clients that no rule denies or bans until a time.
///
/// Shared by all threads and kept across policy reloads, beside the [`BanTable`](crate::BanTable), whose
/// listeners receive its changes. Keyed as that table is, by client networks or the /24 or /48 around them.
///
/// # Capacity
///
/// A full table drops the exemption that would end first.
///
/// # Cost
///
/// [`Self::active`] takes no lock and, while there is no exemption, one atomic load.
pub struct AllowTable {
    allows: TimedMap<Exemption>,
    listeners: Arc<ChangeListeners>,
}

/// An exemption in force, as [`AllowTable::active`] returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveAllow {
    /// The remaining time; never zero.
    pub left: Duration,
    /// The reason that the operator gave.
    pub reason: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
struct Exemption {
    reason: Option<Arc<str>>,
    since: SystemTime,
}

// === impl AllowTable ===

impl AllowTable {
    /// The default capacity.
    pub const CAPACITY: usize = 1_000;

    pub(crate) fn new(listeners: Arc<ChangeListeners>) -> Self {
        Self {
            allows: TimedMap::new(Self::CAPACITY),
            listeners,
        }
    }

    pub(crate) fn usage(&self) -> TableUsage {
        self.allows.usage("exemptions")
    }

    /// Returns the exemption of `client` in force at `now`.
    pub fn active(&self, client: &ClientIp, now: Now) -> Option<ActiveAllow> {
        let (Exemption { reason, .. }, left) = self.allows.find(client, now)?;
        Some(ActiveAllow { left, reason })
    }

    /// Adds an exemption. Returns `false` if it has ended, or if the network has one that ends later.
    pub fn add(&self, record: &AllowRecord, origin: UpdateOrigin, now: Now) -> bool {
        let left = record.until.duration_since(now.wall()).unwrap_or_default();
        if left.is_zero() {
            return false;
        }
        let exemption = Exemption {
            reason: record.reason.clone(),
            since: record.since,
        };
        let until = now.mono().saturating_add(left);
        let mut allows = self.allows.writer();
        let insertion = allows.insert(record.network, exemption, until, now);
        let is_added = insertion != Insertion::Kept;
        if is_added {
            self.notify(&BanUpdate::Allowed(record.clone()), origin);
        }
        is_added
    }

    /// Removes the exemption of a network. Returns `true` if there was one.
    pub fn remove(&self, network: IpNet, origin: UpdateOrigin) -> bool {
        let mut allows = self.allows.writer();
        let was_allowed = allows.remove(network).is_some();
        if was_allowed {
            self.notify(&BanUpdate::Disallowed(network), origin);
        }
        was_allowed
    }

    /// Returns the exemptions in force at `now`, the one nearest its end first.
    pub fn records(&self, now: Now) -> Vec<AllowRecord> {
        let record = |(network, exemption, left): (IpNet, Exemption, Duration)| AllowRecord {
            network,
            reason: exemption.reason,
            since: exemption.since,
            until: now.wall_after(left),
        };
        self.allows.list(now).into_iter().map(record).collect()
    }

    /// Drops the exemptions that ended by `now` and returns their number.
    pub fn remove_expired(&self, now: Now) -> usize {
        self.allows.remove_expired(now)
    }

    fn notify(&self, update: &BanUpdate, origin: UpdateOrigin) {
        self.listeners
            .notify(|listener| listener.on_ban_update(update, origin));
    }
}

impl fmt::Debug for AllowTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllowTable")
            .field("len", &self.allows.len())
            .finish_non_exhaustive()
    }
}
