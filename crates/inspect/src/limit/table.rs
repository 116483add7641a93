//! The state of all limits, in fixed memory.

use std::{
    fmt,
    hash::RandomState,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use gabion_core::LimitCount;
use governor::middleware::StateSnapshot;

use super::{
    gcra::{Gcra, nanos},
    sharing::Sharing,
};

/// The state of all [`Limit`](crate::Limit)s. Created once as part of [`State`](crate::State) and
/// shared by every policy, so that a reload does not refill any quota.
///
/// The table has a fixed number of slots, one per key in use. A key can be in one of four slots,
/// which share a cache line. If other keys use all four, the table evicts the key whose quota is
/// full again first, and among equal ones the one seen least often; an evicted key starts over with
/// a full quota. A flood of new addresses therefore evicts clients seen once, not clients that
/// have used up their quota.
///
/// Keys are hashed with a secret seed, so that clients cannot choose colliding keys. Two keys in
/// the same four slots share a quota with a probability of 1 in 4 billion.
///
/// # Other instances
///
/// After [`Self::share_by`], the table also counts what requests take for other instances:
/// [`Self::take_counts`] returns it, and [`Self::add_counts`] adds what they counted. Then a quota can be in
/// debt, when several instances used it at once, so that in the long run no more passes than its rate.
///
/// # Cost
///
/// 32 bytes per key of the capacity, allocated when the first limit is compiled: 6.4 MB for
/// [`Self::CAPACITY`]. A check reads one cache line, takes a lock of that line only, and allocates
/// nothing. After [`Self::share_by`], 500 kB more, and per quota of a request one keyed hash and another line
/// with its lock.
///
/// # Examples
///
/// ```
/// use gabion_inspect::{LimitTable, State};
///
/// let state = State::scratch().with_limits(LimitTable::new(50_000));
/// assert!(state.limits().is_empty());
/// assert_eq!(state.limits().memory(), 0, "allocated with the first limit");
/// ```
pub struct LimitTable {
    sets: OnceLock<Box<[Set]>>,
    capacity: usize,
    seed: RandomState,
    sharing: Sharing,
}

/// The slots of all keys with the same upper hash bits.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Set(Mutex<Slots>);

/// Four slots. An unused slot equals a slot whose quota is full, since its TAT is in the past. A
/// key that is seen again moves forward by one slot.
#[derive(Debug, Default)]
struct Slots {
    /// The lower hash bits, which distinguish the keys of a set.
    tags: [u32; Set::SLOTS],
    /// The theoretical arrival time (TAT) of each key, in monotonic nanoseconds.
    tats: [u64; Set::SLOTS],
}

/// The effect of a check on a quota with enough units left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// None: the check only looks.
    Peek,
    /// The check takes its cost.
    Take,
}

// === impl LimitTable ===

impl LimitTable {
    /// The default number of keys.
    pub const CAPACITY: usize = 200_000;

    /// Creates a table for `capacity` keys, at least 1. When that many keys have used part of their
    /// quota at once, the table loses a few percent of them.
    pub fn new(capacity: usize) -> Self {
        Self {
            sets: OnceLock::new(),
            capacity: capacity.max(1),
            seed: RandomState::new(),
            sharing: Sharing::default(),
        }
    }

    /// Creates a table that stores nothing, so that every quota is always full. For judging sample
    /// requests.
    pub fn blank() -> Self {
        Self {
            capacity: 0,
            ..Self::new(0)
        }
    }

    /// Returns the number of keys in use.
    ///
    /// # Cost
    ///
    /// Reads every slot.
    pub fn len(&self) -> usize {
        let slots = self.sets().iter().flat_map(|set| set.slots().tats);
        slots.filter(|&tat| tat > 0).count()
    }

    /// Returns `true` if no key is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the size of all slots in bytes, used or not.
    pub fn memory(&self) -> usize {
        size_of_val(self.sets())
    }

    /// Returns the secret given to [`Self::share_by`].
    pub fn secret(&self) -> Option<[u64; 2]> {
        self.sharing.secret()
    }

    /// Starts to count for other instances. `secret` hashes the keys of all of them; clients must not know it.
    /// A secret other than before makes every quota full again.
    pub fn share_by(&self, secret: [u64; 2]) {
        self.sharing.share_by(secret);
    }

    /// Moves what was counted for other instances since the last call to the end of `counts`: at most 16,384
    /// keys. Nothing before [`Self::share_by`].
    pub fn take_counts(&self, counts: &mut Vec<LimitCount>) {
        self.sharing.take(counts);
    }

    /// Adds what another instance counted between `since` and `now`, in monotonic time of this instance.
    /// Returns the number of counts that belong to a quota in use. Others are ignored.
    pub fn add_counts(&self, counts: &[LimitCount], since: Duration, now: Duration) -> usize {
        let quotas = self.sharing.quotas();
        let (since, now) = (nanos(since), nanos(now));
        let mut added = 0_usize;
        for count in counts {
            let found = quotas.binary_search_by_key(&count.quota, |quota| quota.id);
            if let Some(quota) = found.ok().and_then(|at| quotas.get(at)) {
                self.add(count, &quota.gcra, since, now);
                added = added.saturating_add(1);
            }
        }
        added
    }

    /// Returns the number of requests that were not counted for other instances, because too many keys were
    /// in use since the last message.
    pub fn uncounted(&self) -> u64 {
        self.sharing.uncounted()
    }

    /// Allocates the slots, so that no request has to.
    pub(super) fn allocate(&self) {
        let sets = self.capacity.div_ceil(Set::KEYS);
        let new_sets = || (0..sets).map(|_| Set::default()).collect();
        self.sets.get_or_init(new_sets);
    }

    /// Returns the secret seed of all hashes.
    pub(super) const fn seed(&self) -> &RandomState {
        &self.seed
    }

    pub(super) const fn sharing(&self) -> &Sharing {
        &self.sharing
    }

    /// Adds the count of another instance to the quota of a key.
    fn add(&self, count: &LimitCount, gcra: &Gcra, since: u64, now: u64) {
        let Some((set, tag)) = self.locate(count.key) else {
            return;
        };
        let mut slots = set.slots();
        let known = slots.find(tag);
        let tat = known.and_then(|at| slots.tats.get(at).copied());
        let next = gcra.add(count.units, tat.unwrap_or_default(), since, now);
        match known {
            Some(at) => slots.move_forward(at, next),
            None => slots.replace_least(tag, next),
        }
    }

    /// Checks whether the quota of `key` has `cost` units left at `now`, in monotonic nanoseconds.
    /// Returns the state of the quota after the check, or the time until there are enough.
    #[inline]
    pub(super) fn check(
        &self,
        key: u64,
        gcra: &Gcra,
        cost: NonZeroU32,
        now: u64,
        check: Check,
    ) -> Result<StateSnapshot, Duration> {
        let Some((set, tag)) = self.locate(key) else {
            return gcra.take(cost, 0, now).map(|(state, _)| state);
        };
        let mut slots = set.slots();
        let known = slots.find(tag);
        let tat = known.and_then(|at| slots.tats.get(at).copied());
        let tat = tat.unwrap_or_default();
        let tat = match self.sharing.secret() {
            None => gcra.limit_tat(tat, now),
            Some(_) => gcra.limit_shared_tat(tat, now),
        };
        let taken = gcra.take(cost, tat, now);
        let next = match &taken {
            Ok((_, next)) if check == Check::Take => *next,
            _ => tat,
        };
        match known {
            Some(at) => slots.move_forward(at, next),
            // Zero: the key is unknown and nothing was taken.
            None if next > 0 => slots.replace_least(tag, next),
            None => {}
        }
        taken.map(|(state, _)| state)
    }

    /// Returns the set and the tag of `key`: the upper half of the hash selects the set, the lower
    /// half is the tag.
    fn locate(&self, key: u64) -> Option<(&Set, u32)> {
        let sets = self.sets();
        let count = u64::try_from(sets.len()).ok()?;
        let (high, tag) = (key >> 32, key & u64::from(u32::MAX));
        let at = high.checked_mul(count)? >> 32;
        let set = sets.get(usize::try_from(at).ok()?)?;
        Some((set, u32::try_from(tag).ok()?))
    }

    fn sets(&self) -> &[Set] {
        self.sets.get().map_or(&[], |sets| sets)
    }
}

impl fmt::Debug for LimitTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitTable")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

// === impl Set ===

impl Set {
    /// The number of slots per set: as many as fit into a cache line with their lock.
    const SLOTS: usize = 4;

    /// The number of keys of the capacity per set. It is below the number of slots, since keys are
    /// not spread evenly.
    const KEYS: usize = 2;

    /// Locks the slots. No code can panic while holding the lock.
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Slots ===

impl Slots {
    fn find(&self, tag: u32) -> Option<usize> {
        self.tags.iter().position(|&known| known == tag)
    }

    /// Replaces the key whose eviction loses the least.
    fn replace_least(&mut self, tag: u32, tat: u64) {
        let slots = self.tats.iter().enumerate().rev();
        let least = slots.min_by_key(|(_, tat)| **tat);
        self.set(least.map_or(0, |(at, _)| at), tag, tat);
    }

    /// Sets the TAT of a known key and moves it forward by one slot.
    fn move_forward(&mut self, at: usize, tat: u64) {
        if let Some(slot) = self.tats.get_mut(at) {
            *slot = tat;
        }
        if let Some(before) = at.checked_sub(1) {
            self.tags.swap(at, before);
            self.tats.swap(at, before);
        }
    }

    fn set(&mut self, at: usize, tag: u32, tat: u64) {
        if let (Some(slot_tag), Some(slot_tat)) = (self.tags.get_mut(at), self.tats.get_mut(at)) {
            (*slot_tag, *slot_tat) = (tag, tat);
        }
    }
}
