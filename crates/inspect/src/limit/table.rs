//! What is left of every budget, in bounded memory.

use std::{
    cell::Cell,
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    num::NonZeroU32,
    time::Duration,
};

use governor::{
    Quota, RateLimiter, clock::Clock, middleware::StateInformationMiddleware, nanos::Nanos,
    state::StateStore,
};
use quick_cache::{
    OptionsBuilder, UnitWeighter,
    sync::{Cache, DefaultLifecycle, EntryAction, EntryResult},
};

/// The state of all limits: made once, shared by every policy that follows, so that nobody's budget
/// is full again because somebody saved a file.
///
/// It holds a fixed number of cells, one for each key that is in use. Where it is full, the cell that
/// was asked for least lately and least often goes first, and whoever it belonged to begins with
/// a full budget: a flood of addresses makes a guard forget those who come once, not those who come
/// often. Keys are hashed with a secret seed, so that nobody can choose two that meet.
///
/// # Cost
///
/// 86 bytes a cell, taken as it fills: 17 MB for [`Self::CAPACITY`] (measured 2026-11-22 with ten
/// million keys). A lock of one shard per check; no allocation for a key that is known.
pub struct LimitTable {
    cells: Option<Cells>,
    seed: RandomState,
}

/// When a budget will be full again, in monotonic nanoseconds, by key.
type Cells = Cache<u64, u64, UnitWeighter, Hashed>;

/// Takes a key for its own hash: it is one, by a secret seed.
#[derive(Clone, Copy, Default)]
struct Hashed(u64);

/// How much there is, and how fast it grows back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    quota: Quota,
}

/// What a check does to a budget that suffices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Nothing: it only looks.
    Look,
    /// It takes its cost.
    Take,
}

/// What is left after a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) remaining: u32,
    pub(super) reset: Duration,
}

/// A table as one check sees it.
struct View<'t> {
    table: &'t LimitTable,
    check: Check,
    /// When a budget that is used up now will be full again. A later time was noted under a policy
    /// with a slower rate: nobody is held to that.
    spent: Nanos,
}

/// A clock that stands where its cell says. governor reckons from the moment at which a limiter is
/// made; that is zero here, so that limiters of all policies reckon alike.
struct At<'c>(&'c Cell<Duration>);

// === impl LimitTable ===

impl LimitTable {
    /// How many cells there are unless another capacity is asked for.
    pub const CAPACITY: usize = 200_000;

    /// A table of at most `capacity` cells, give or take a few for its shards; one at least.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        let weight = u64::try_from(capacity).unwrap_or(u64::MAX);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(capacity)
            .weight_capacity(weight)
            .build();
        let cells = options.ok().map(|options| {
            let lifecycle = DefaultLifecycle::default();
            Cells::with_options(options, UnitWeighter, Hashed::default(), lifecycle)
        });
        let seed = RandomState::new();
        Self { cells, seed }
    }

    /// A table that keeps nothing, so that every budget is always full: for judging on paper.
    pub fn blank() -> Self {
        let (cells, seed) = (None, RandomState::new());
        Self { cells, seed }
    }

    /// How many cells are in use.
    pub fn len(&self) -> usize {
        self.cells.as_ref().map_or(0, Cache::len)
    }

    /// Whether no cell is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the cells take, used or not.
    pub fn memory(&self) -> usize {
        let cells = self.cells.as_ref();
        cells.map_or(0, |cells| cells.memory_used().total())
    }

    /// The secret by which keys are hashed.
    pub(super) const fn seed(&self) -> &RandomState {
        &self.seed
    }

    /// Whether `key` has `cost` left of its budget at `now`: what is left then, or how long it takes
    /// until it has.
    pub(super) fn check(
        &self,
        key: u64,
        budget: Budget,
        cost: NonZeroU32,
        now: Duration,
        check: Check,
    ) -> Result<Left, Duration> {
        let time = Cell::new(Duration::ZERO);
        let view = View {
            table: self,
            check,
            spent: now.saturating_add(budget.window()).into(),
        };
        let limiter: RateLimiter<_, _, _, StateInformationMiddleware> =
            RateLimiter::new(budget.quota, view, At(&time));
        time.set(now);
        match limiter.check_key_n(&key, cost) {
            Ok(Ok(state)) => Ok(budget.left(state.remaining_burst_capacity())),
            Ok(Err(until)) => Err(until.wait_time_from(now)),
            Err(_) => Err(budget.window()),
        }
    }
}

impl fmt::Debug for LimitTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitTable")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

// === impl Budget ===

impl Budget {
    /// A budget of `burst`, of which one grows back in each `interval`; `None` where that is no time
    /// at all.
    pub(super) fn new(burst: NonZeroU32, interval: Duration) -> Option<Self> {
        let quota = Quota::with_period(interval)?.allow_burst(burst);
        Some(Self { quota })
    }

    pub(super) const fn limit(self) -> NonZeroU32 {
        self.quota.burst_size()
    }

    /// How long it takes from nothing to all of it.
    pub(super) const fn window(self) -> Duration {
        self.quota.burst_size_replenished_in()
    }

    fn left(self, remaining: u32) -> Left {
        let used = self.limit().get().saturating_sub(remaining);
        Left {
            remaining,
            reset: self.quota.replenish_interval().saturating_mul(used),
        }
    }
}

// === impl View ===

impl StateStore for View<'_> {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let Some(cells) = &self.table.cells else {
            return f(None).map(|(left, _)| left);
        };
        if self.check == Check::Look && !cells.contains_key(key) {
            return f(None).map(|(left, _)| left);
        }
        let entry = cells.entry(key, None, |_, full| {
            *full = (*full).min(self.spent.into());
            EntryAction::Retain(f(Some((*full).into())).map(|(left, next)| {
                if self.check == Check::Take {
                    *full = next.into();
                }
                left
            }))
        });
        match entry {
            EntryResult::Retained(outcome) => outcome,
            EntryResult::Vacant(place) => f(None).map(|(left, next)| {
                // Fails where the key was taken out meanwhile; it is then as good as never seen.
                let _ = place.insert(next.into());
                left
            }),
            _ => f(None).map(|(left, _)| left),
        }
    }
}

// === impl Hashed ===

impl BuildHasher for Hashed {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        // Keys come by `write_u64`; whatever else came would still be told apart.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

// === impl At ===

impl Clock for At<'_> {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.get()
    }
}
