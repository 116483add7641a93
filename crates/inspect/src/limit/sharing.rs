//! The exchange of counts with other instances.

use std::{
    hash::Hasher as _,
    num::NonZeroU32,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use gabion_core::LimitCount;
use siphasher::sip::SipHasher13;

use super::gcra::Gcra;

/// The part of a [`LimitTable`](super::LimitTable) that other instances take part in.
///
/// Without other instances it costs one load per quota of a request.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// The secret of all instances; zero if counts are not shared.
    secret: [AtomicU64; 2],
    tally: OnceLock<Tally>,
    /// The quotas of each policy in use.
    quotas: Mutex<Vec<Weak<[SharedQuota]>>>,
}

/// A quota as all instances name it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SharedId {
    /// A hash of the rule's id and key. It selects the counters, which survive a change of the rate.
    pub(super) key: u64,
    /// [`LimitCount::quota`]: also of its rate and burst, so that counts of another rate are ignored.
    pub(super) quota: u64,
}

/// A quota of which other instances know the counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct SharedQuota {
    /// [`LimitCount::quota`].
    pub(super) id: u64,
    pub(super) gcra: Gcra,
}

/// What was counted since the last message to other instances, in fixed memory.
///
/// A key is in one of four slots, by its hash. If other keys use all four, it is not counted.
struct Tally {
    sets: Box<[Mutex<[LimitCount; Self::SLOTS]>]>,
    uncounted: AtomicU64,
}

// === impl Sharing ===

impl Sharing {
    /// Returns the secret, if counts are shared.
    #[inline]
    pub(super) fn secret(&self) -> Option<[u64; 2]> {
        let [first, second] = &self.secret;
        // Between both stores of a new secret, a request may count with half of each: by a key of its own.
        match first.load(Ordering::Relaxed) {
            0 => None,
            first => Some([first, second.load(Ordering::Relaxed)]),
        }
    }

    pub(super) fn share_by(&self, [first, second]: [u64; 2]) {
        self.tally.get_or_init(Tally::new);
        let [to_first, to_second] = &self.secret;
        to_second.store(second, Ordering::Relaxed);
        to_first.store(first.max(1), Ordering::Relaxed);
    }

    /// Returns the hasher for the key of a shared quota, if counts are shared.
    #[inline]
    pub(super) fn hasher(&self, id: Option<SharedId>) -> Option<SipHasher13> {
        let (id, [first, second]) = id.zip(self.secret())?;
        let mut hasher = SipHasher13::new_with_keys(first, second);
        hasher.write_u64(id.key);
        Some(hasher)
    }

    /// Counts units that a request took, for other instances.
    #[inline]
    pub(super) fn count(&self, id: Option<SharedId>, key: u64, units: NonZeroU32) {
        if let Some((id, tally)) = id.zip(self.tally.get()) {
            let (quota, units) = (id.quota, units.get());
            tally.count(LimitCount { quota, key, units });
        }
    }

    pub(super) fn take(&self, counts: &mut Vec<LimitCount>) {
        if let Some(tally) = self.tally.get() {
            tally.take(counts);
        }
    }

    pub(super) fn uncounted(&self) -> u64 {
        let tally = self.tally.get();
        tally.map_or(0, |tally| tally.uncounted.load(Ordering::Relaxed))
    }

    /// Adds the quotas of a policy, while it is in use.
    pub(super) fn register(&self, quotas: Weak<[SharedQuota]>) {
        let mut known = lock(&self.quotas);
        known.retain(|quotas| quotas.strong_count() > 0);
        known.push(quotas);
    }

    /// Returns the shared quotas of all policies in use, sorted by id.
    pub(super) fn quotas(&self) -> Vec<SharedQuota> {
        let mut quotas: Vec<SharedQuota> = Vec::new();
        for policy in lock(&self.quotas).iter().filter_map(Weak::upgrade) {
            quotas.extend(policy.iter());
        }
        quotas.sort_unstable_by_key(|quota| quota.id);
        quotas
    }
}

// === impl Tally ===

impl Tally {
    /// The number of slots per set.
    const SLOTS: usize = 4;

    /// The number of sets: 16,384 keys between two messages, 500 kB.
    const SETS: u64 = 4_096;

    fn new() -> Self {
        Self {
            sets: (0..Self::SETS).map(|_| Mutex::default()).collect(),
            uncounted: AtomicU64::new(0),
        }
    }

    fn count(&self, count: LimitCount) {
        let set = usize::try_from(count.key % Self::SETS);
        let Some(set) = set.ok().and_then(|set| self.sets.get(set)) else {
            return;
        };
        let mut slots = lock(set);
        let is_same = |slot: &LimitCount| {
            (slot.quota, slot.key) == (count.quota, count.key) && slot.units > 0
        };
        if let Some(slot) = slots.iter_mut().find(|slot| is_same(slot)) {
            slot.units = slot.units.saturating_add(count.units);
        } else if let Some(slot) = slots.iter_mut().find(|slot| slot.units == 0) {
            *slot = count;
        } else {
            self.uncounted.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn take(&self, counts: &mut Vec<LimitCount>) {
        for set in &self.sets {
            let slots = std::mem::take(&mut *lock(set));
            counts.extend(slots.iter().filter(|slot| slot.units > 0));
        }
    }
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tally")
            .field("uncounted", &self.uncounted)
            .finish_non_exhaustive()
    }
}

/// Locks a mutex. No code can panic while holding it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
