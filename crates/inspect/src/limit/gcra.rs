//! The generic cell rate algorithm (GCRA).

use std::{num::NonZeroU32, time::Duration};

/// A rate with a burst, in whole nanoseconds.
///
/// The state per key is one number, the theoretical arrival time (TAT): the time at which the quota
/// is full again. The used part of the quota refills one unit per interval until then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gcra {
    burst: NonZeroU32,
    /// The time in which one unit refills, in nanoseconds.
    interval: u64,
}

/// The quota left after a check, as the `RateLimit` header reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QuotaLeft {
    pub(super) remaining: u32,
    pub(super) reset: Duration,
}

// === impl Gcra ===

impl Gcra {
    /// Creates a rate of one unit per `interval` with a burst of `burst`. Returns `None` if
    /// `interval` is zero.
    pub(super) fn new(burst: NonZeroU32, interval: Duration) -> Option<Self> {
        let interval = nanos(interval);
        (interval > 0).then_some(Self { burst, interval })
    }

    pub(super) const fn limit(self) -> NonZeroU32 {
        self.burst
    }

    /// Returns the time in which an empty quota refills.
    pub(super) const fn window(self) -> Duration {
        Duration::from_nanos(self.intervals(self.burst.get()))
    }

    /// Limits a stored TAT to the latest that this rate can produce at `now`. A later TAT was
    /// stored under a policy with a slower rate, which no longer applies.
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
        let next = tat.max(now).saturating_add(self.intervals(cost.get()));
        let latest = self.empty_tat(now);
        match latest.checked_sub(next) {
            Some(left) => Ok((Duration::from_nanos(left), next)),
            None => Err(Duration::from_nanos(next.saturating_sub(latest))),
        }
    }

    /// Returns the TAT of a quota that is used up at `now`.
    const fn empty_tat(self, now: u64) -> u64 {
        now.saturating_add(self.intervals(self.burst.get()))
    }

    /// Returns the quota that refills in `time`.
    pub(super) fn quota_left(self, time: Duration) -> QuotaLeft {
        let refilled = nanos(time).checked_div(self.interval).unwrap_or_default();
        let remaining = u32::try_from(refilled).unwrap_or(u32::MAX);
        let used = self.burst.get().saturating_sub(remaining);
        QuotaLeft {
            remaining,
            reset: Duration::from_nanos(self.intervals(used)),
        }
    }

    const fn intervals(self, count: u32) -> u64 {
        self.interval.saturating_mul(count as u64)
    }
}

/// Converts to whole nanoseconds. A `u64` holds more than five centuries.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
