//! How much there is of what a limit counts, and how it grows back.

use std::{num::NonZeroU32, time::Duration};

/// How much there is, and how fast it grows back (GCRA, in whole nanoseconds).
///
/// All that there is to remember of a budget is when it will be full again: what is gone of it grows
/// back one by one until then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gcra {
    burst: NonZeroU32,
    /// How long it takes until one has grown back.
    interval: u64,
}

/// What is left after a check, as clients are told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) remaining: u32,
    pub(super) reset: Duration,
}

// === impl Budget ===

impl Gcra {
    /// A budget of `burst`, of which one grows back in each `interval`; `None` where that is no time
    /// at all.
    pub(super) fn new(burst: NonZeroU32, interval: Duration) -> Option<Self> {
        let interval = nanos(interval);
        (interval > 0).then_some(Self { burst, interval })
    }

    pub(super) const fn limit(self) -> NonZeroU32 {
        self.burst
    }

    /// How long it takes from nothing to all of it.
    pub(super) const fn window(self) -> Duration {
        Duration::from_nanos(self.times(self.burst.get()))
    }

    /// A time that was noted, as it counts at `now`. One that is further away than all of the budget
    /// takes to grow back was noted under a policy with a slower rate: nobody is held to that.
    pub(super) fn held(self, full: u64, now: u64) -> u64 {
        full.min(self.spent(now))
    }

    /// Takes `cost` at `now` from a budget that will be `full` again then: what is left, as the time
    /// in which it grows from nothing, and when it will be full again from now on; or how long it
    /// takes until there is so much.
    pub(super) fn take(
        self,
        cost: NonZeroU32,
        full: u64,
        now: u64,
    ) -> Result<(Duration, u64), Duration> {
        let next = full.max(now).saturating_add(self.times(cost.get()));
        let spent = self.spent(now);
        match spent.checked_sub(next) {
            Some(left) => Ok((Duration::from_nanos(left), next)),
            None => Err(Duration::from_nanos(next.saturating_sub(spent))),
        }
    }

    /// When a budget that is used up at `now` will be full again.
    const fn spent(self, now: u64) -> u64 {
        now.saturating_add(self.times(self.burst.get()))
    }

    /// What grows from nothing in that time.
    pub(super) fn left(self, time: Duration) -> Left {
        let grown = nanos(time).checked_div(self.interval).unwrap_or_default();
        let remaining = u32::try_from(grown).unwrap_or(u32::MAX);
        let used = self.burst.get().saturating_sub(remaining);
        Left {
            remaining,
            reset: Duration::from_nanos(self.times(used)),
        }
    }

    const fn times(self, count: u32) -> u64 {
        self.interval.saturating_mul(count as u64)
    }
}

/// A time in whole nanoseconds: enough for five centuries.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
