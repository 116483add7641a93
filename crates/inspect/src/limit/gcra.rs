//! The generic cell rate algorithm (GCRA), by `governor`.

use std::{cell::Cell, num::NonZeroU32, time::Duration};

use governor::{
    InsufficientCapacity, Quota, RateLimiter,
    clock::Clock,
    middleware::{StateInformationMiddleware, StateSnapshot},
    nanos::Nanos,
    state::{NotKeyed, StateStore},
};

/// A rate with a burst.
///
/// The state per key is one number, the theoretical arrival time (TAT): the time at which the quota
/// is full again, in monotonic nanoseconds. [`LimitTable`](super::LimitTable) keeps it, so that it
/// survives a reload with another quota.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gcra {
    quota: Quota,
    /// The time in which an empty quota refills, in nanoseconds.
    window: u64,
}

/// The limiter of one decision. It lives on the stack.
type Limiter = RateLimiter<NotKeyed, Tat, TimeOfCheck, StateInformationMiddleware>;

/// The TAT of one key, before and after a decision.
struct Tat(Cell<Nanos>);

/// The time of one decision. A limiter measures times from the first reading of its clock, which
/// is therefore zero.
struct TimeOfCheck(Cell<Nanos>);

const START: Nanos = Nanos::new(0);

/// The debt of a quota beyond its window, in nanoseconds.
const MAX_DELAY: u64 = 2_000_000_000;

// `governor` adds up to a window to the latest TAT, which is at most two windows and two seconds after the
// time of a check, without a check for overflow. The time is at most 2^63 - 1 (`nanos`).
const _: () = assert!(Gcra::MAX_WINDOW.as_nanos() <= 1 << 60);

// === impl Gcra ===

impl Gcra {
    /// The longest window.
    pub(super) const MAX_WINDOW: Duration = Duration::from_hours(366 * 24);

    /// Creates a rate of one unit per `interval` with a burst of `burst`. Returns `None` if
    /// `interval` is zero, or if an empty quota would take more than [`Self::MAX_WINDOW`] to refill.
    pub(super) fn new(burst: NonZeroU32, interval: Duration) -> Option<Self> {
        let window = interval.checked_mul(burst.get())?;
        let quota = Quota::with_period(interval)?.allow_burst(burst);
        (window <= Self::MAX_WINDOW).then(|| Self {
            quota,
            window: nanos(window),
        })
    }

    pub(super) const fn limit(&self) -> NonZeroU32 {
        self.quota.burst_size()
    }

    /// Returns the time in which one unit refills.
    pub(super) const fn interval(&self) -> Duration {
        self.quota.replenish_interval()
    }

    /// Returns the time in which an empty quota refills.
    pub(super) const fn window(&self) -> Duration {
        Duration::from_nanos(self.window)
    }

    /// Limits a stored TAT to the latest that this rate can produce at `now`. A later TAT was
    /// stored under a policy with a slower rate, which no longer applies.
    pub(super) fn limit_tat(&self, tat: u64, now: u64) -> u64 {
        tat.min(now.saturating_add(self.window))
    }

    /// Limits a stored TAT as [`Self::limit_tat`] does, but leaves the debt of a quota that several instances
    /// used at once: at most another window, and the time in which they hear of each other.
    pub(super) fn limit_shared_tat(&self, tat: u64, now: u64) -> u64 {
        let debt = self.window.saturating_add(MAX_DELAY);
        tat.min(now.saturating_add(self.window).saturating_add(debt))
    }

    /// Returns the TAT after other instances took `units` since `since`, from a quota whose TAT is `tat`.
    ///
    /// No instance knows when within that time they were taken: the earliest time counts, so that a client
    /// is not denied what it had.
    pub(super) fn add(&self, units: u32, tat: u64, since: u64, now: u64) -> u64 {
        let interval = nanos(self.interval());
        let taken = interval.saturating_mul(u64::from(units));
        self.limit_shared_tat(tat.max(since).saturating_add(taken), now)
    }

    /// Takes `cost` units at `now` from a quota whose TAT is `tat`.
    ///
    /// Returns the state of the quota and the new TAT, or the time until `cost` units are
    /// available.
    #[inline]
    pub(super) fn take(
        &self,
        cost: NonZeroU32,
        tat: u64,
        now: u64,
    ) -> Result<(StateSnapshot, u64), Duration> {
        let clock = TimeOfCheck(Cell::new(START));
        let limiter = Limiter::new(self.quota, Tat(Cell::new(tat.into())), clock);
        limiter.clock().0.set(now.into());
        match limiter.check_n(cost) {
            Ok(Ok(state)) => Ok((state, limiter.into_state_store().0.get().into())),
            Ok(Err(until)) => Err(until.wait_time_from(now.into())),
            // A cost above the burst is never available.
            Err(InsufficientCapacity(_)) => Err(Duration::MAX),
        }
    }

    /// Returns the number of units left after a check, and the time in which the others refill.
    pub(super) fn left(&self, state: &StateSnapshot) -> (u32, Duration) {
        let remaining = state.remaining_burst_capacity();
        let used = self.limit().get().saturating_sub(remaining);
        (
            remaining,
            self.quota.replenish_interval().saturating_mul(used),
        )
    }
}

// === impl Tat ===

impl StateStore for Tat {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (state, next) = decide(Some(self.0.get()))?;
        self.0.set(next);
        Ok(state)
    }
}

// === impl TimeOfCheck ===

impl Clock for TimeOfCheck {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.get()
    }
}

/// Converts to whole nanoseconds, at most 2^63 - 1 (292 years).
pub(super) fn nanos(time: Duration) -> u64 {
    i64::try_from(time.as_nanos())
        .unwrap_or(i64::MAX)
        .unsigned_abs()
}
