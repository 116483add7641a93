//! Exact arithmetic of a quota: the oracle of the decisions that `governor` makes.

use super::*;

/// A quota of `burst` units, one of which refills per interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub(super) burst: NonZeroU32,
    /// In nanoseconds.
    pub(super) interval: u64,
}

impl Budget {
    /// Limits a stored TAT to the latest that this quota can produce at `now`.
    pub(super) fn limit_tat(self, tat: u64, now: u64) -> u64 {
        tat.min(self.empty_tat(now))
    }

    /// Takes `cost` units at `now` from a quota whose TAT is `tat`.
    ///
    /// Returns the part of the quota that is left, as the time in which it refills, and the new
    /// TAT; or the time until `cost` units are available.
    pub(super) fn take(
        self,
        cost: NonZeroU32,
        tat: u64,
        now: u64,
    ) -> Result<(Duration, u64), Duration> {
        let next = tat.max(now) + self.intervals(cost.get());
        let latest = self.empty_tat(now);
        match latest.checked_sub(next) {
            Some(left) => Ok((Duration::from_nanos(left), next)),
            None => Err(Duration::from_nanos(next - latest)),
        }
    }

    /// Returns the number of units that refill in `time`, and the time in which the others do.
    pub(super) fn left(self, time: Duration) -> (u32, Duration) {
        let remaining = u32::try_from(nanos(time) / self.interval).unwrap();
        let used = self.burst.get() - remaining;
        (remaining, Duration::from_nanos(self.intervals(used)))
    }

    /// Returns the TAT of a quota that is used up at `now`.
    fn empty_tat(self, now: u64) -> u64 {
        now + self.intervals(self.burst.get())
    }

    fn intervals(self, count: u32) -> u64 {
        self.interval * u64::from(count)
    }
}
