//! What is left of every budget, in fixed memory.

use std::{
    fmt,
    hash::RandomState,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use super::gcra::{Gcra, nanos};

/// The state of all limits: made once, shared by every policy that follows, so that nobody's budget
/// is full again because somebody saved a file.
///
/// It holds a fixed number of cells, one for each key that is in use. A key has one of four cells,
/// which share a line of memory. Where others have them all, the one whose budget is full soonest
/// goes, and of those that are alike the one that came least often; whoever it belonged to begins
/// with a full budget. So a flood of addresses makes a guard forget those who come once, not those
/// who have used up their share. Keys are hashed with a secret seed, so that nobody can choose some
/// that meet; of four billion strangers in the same four cells one shares a budget.
///
/// # Cost
///
/// 32 bytes a cell of the capacity, taken when the first limit is compiled: 6.4 MB for
/// [`Self::CAPACITY`]. One line of memory and a lock of it alone per check; no allocation.
pub struct LimitTable {
    sets: OnceLock<Box<[Set]>>,
    capacity: usize,
    seed: RandomState,
}

/// The cells of all keys that a hash leads here.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Set(Mutex<Cells>);

/// Cells that nobody has are as good as those of someone whose budget is full: their time is past.
/// Whoever comes again is moved one to the front.
#[derive(Debug, Default)]
struct Cells {
    /// What tells keys apart that lead here.
    tags: [u32; Set::CELLS],
    /// When each budget will be full again, in monotonic nanoseconds.
    full: [u64; Set::CELLS],
}

/// What a check does to a budget that suffices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Nothing: it only looks.
    Look,
    /// It takes its cost.
    Take,
}

// === impl LimitTable ===

impl LimitTable {
    /// How many cells there are unless another capacity is asked for.
    pub const CAPACITY: usize = 200_000;

    /// A table that remembers `capacity` keys, all but a few in a hundred where so many are short of
    /// something at once; one at least.
    pub fn new(capacity: usize) -> Self {
        Self {
            sets: OnceLock::new(),
            capacity: capacity.max(1),
            seed: RandomState::new(),
        }
    }

    /// A table that keeps nothing, so that every budget is always full: for judging on paper.
    pub fn blank() -> Self {
        Self {
            capacity: 0,
            ..Self::new(0)
        }
    }

    /// How many cells are in use.
    ///
    /// # Cost
    ///
    /// A look at each of them.
    pub fn len(&self) -> usize {
        let cells = self.sets().iter().flat_map(|set| set.cells().full);
        cells.filter(|&full| full > 0).count()
    }

    /// Whether no cell is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the cells take, used or not.
    pub fn memory(&self) -> usize {
        size_of_val(self.sets())
    }

    /// Takes the memory, so that no request has to.
    pub(super) fn make_room(&self) {
        let sets = self.capacity.div_ceil(Set::KEYS);
        let make = || (0..sets).map(|_| Set::default()).collect();
        self.sets.get_or_init(make);
    }

    /// The secret by which keys are hashed.
    pub(super) const fn seed(&self) -> &RandomState {
        &self.seed
    }

    /// Whether `key` has `cost` left of its budget at `now`: what is left then, as
    /// [`Gcra::take`] says it, or how long it takes until it has.
    pub(super) fn check(
        &self,
        key: u64,
        budget: Gcra,
        cost: NonZeroU32,
        now: Duration,
        check: Check,
    ) -> Result<Duration, Duration> {
        let now = nanos(now);
        let Some((set, tag)) = self.place(key) else {
            return budget.take(cost, 0, now).map(|(left, _)| left);
        };
        let mut cells = set.cells();
        let known = cells.find(tag);
        let full = known.and_then(|at| cells.full.get(at));
        let full = full.map_or(0, |&full| budget.held(full, now));
        let taken = budget.take(cost, full, now);
        let next = taken.as_ref().ok().filter(|_| check == Check::Take);
        match (known, next) {
            (Some(at), next) => {
                cells.put(at, tag, next.map_or(full, |(_, next)| *next));
                cells.bring_forward(at);
            }
            (None, Some((_, next))) => {
                let at = cells.soonest();
                cells.put(at, tag, *next);
            }
            (None, None) => {}
        }
        taken.map(|(left, _)| left)
    }

    /// Where the cell of `key` is, if anywhere: the high half of the hash leads to a set, the low one
    /// is the tag.
    fn place(&self, key: u64) -> Option<(&Set, u32)> {
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
    /// As many as fit into a line of memory, with their lock.
    const CELLS: usize = 4;

    /// How many keys there is a set for: keys do not lead to all sets alike.
    const KEYS: usize = 2;

    /// Nothing can panic while they are held.
    fn cells(&self) -> MutexGuard<'_, Cells> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Cells ===

impl Cells {
    fn find(&self, tag: u32) -> Option<usize> {
        self.tags.iter().position(|&known| known == tag)
    }

    /// The cell that forgets least.
    fn soonest(&self) -> usize {
        let cells = self.full.iter().enumerate().rev();
        cells.min_by_key(|(_, full)| **full).map_or(0, |(at, _)| at)
    }

    fn put(&mut self, at: usize, tag: u32, full: u64) {
        if let (Some(cell_tag), Some(cell_full)) = (self.tags.get_mut(at), self.full.get_mut(at)) {
            (*cell_tag, *cell_full) = (tag, full);
        }
    }

    fn bring_forward(&mut self, at: usize) {
        if let Some(before) = at.checked_sub(1) {
            self.tags.swap(at, before);
            self.full.swap(at, before);
        }
    }
}
