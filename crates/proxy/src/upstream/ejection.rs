//! Passive ejection of upstreams that fail.

use std::time::Duration;

/// When an upstream that fails gets no requests for a time.
///
/// Failures are: no connection, a connection that ends before the response head, no head in time, an invalid
/// head, and the responses 502, 503 and 504. A 500 is none, because a client may be able to cause it. After a
/// number of failures without a success between them the upstream is ejected. Each further ejection takes twice as long
/// as the one before it, and one failure right after an ejection is enough for the next. An upstream that stayed
/// for as long as [`Self::longest`] starts again with the shortest.
///
/// Never more than a share of the group is ejected, and never its last upstream.
///
/// ```
/// use std::time::Duration;
///
/// use gabion_proxy::Ejection;
///
/// let ejection = Ejection::default();
/// assert_eq!(ejection.failures(), 3);
/// assert_eq!(ejection.shortest(), Duration::from_secs(1));
/// assert_eq!(ejection.longest(), Duration::from_secs(60));
/// assert_eq!(ejection.max_percent(), 50);
///
/// let patient = ejection.with_failures(10).with_times(Duration::from_secs(5), Duration::from_secs(300));
/// assert_eq!(patient.failures(), 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    failures: u32,
    shortest: Duration,
    longest: Duration,
    max_percent: u8,
}

// === impl Ejection ===

impl Ejection {
    /// Sets the number of failures after which an upstream is ejected: 3 by default, at least 1.
    pub fn with_failures(self, failures: u32) -> Self {
        let failures = failures.max(1);
        Self { failures, ..self }
    }

    /// Sets how long the first ejection takes, and how long one may take: 1 s and 60 s by default.
    pub const fn with_times(self, shortest: Duration, longest: Duration) -> Self {
        Self {
            shortest,
            longest,
            ..self
        }
    }

    /// Sets the largest share of the group that is ejected at once, in percent: 50 by default. One upstream of
    /// several may always be ejected.
    pub const fn with_max_percent(self, max_percent: u8) -> Self {
        Self {
            max_percent,
            ..self
        }
    }

    /// Returns the number of failures.
    pub const fn failures(self) -> u32 {
        self.failures
    }

    /// Returns how long the first ejection takes.
    pub const fn shortest(self) -> Duration {
        self.shortest
    }

    /// Returns how long an ejection takes at most.
    pub const fn longest(self) -> Duration {
        self.longest
    }

    /// Returns the largest share of ejected upstreams in percent.
    pub const fn max_percent(self) -> u8 {
        self.max_percent
    }

    /// Returns the duration of an ejection that follows on `earlier` ones.
    pub(super) fn duration(self, earlier: u32) -> Duration {
        let factor = 2_u32.saturating_pow(earlier);
        self.shortest.saturating_mul(factor).min(self.longest)
    }

    /// Returns how many upstreams of a group of `size` may be ejected.
    pub(super) fn max_ejected(self, size: usize) -> usize {
        let share = size * usize::from(self.max_percent) / 100;
        share.max(1).min(size.saturating_sub(1))
    }
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            failures: 3,
            shortest: Duration::from_secs(1),
            longest: Duration::from_mins(1),
            max_percent: 50,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ejections_grow_up_to_the_longest() {
        let ejection = Ejection::default();
        for (earlier, secs) in [(0, 1), (1, 2), (2, 4), (5, 32), (6, 60), (7, 60), (99, 60)] {
            assert_eq!(ejection.duration(earlier).as_secs(), secs, "{earlier}");
        }
    }

    #[test]
    fn last_upstream_and_half_of_the_group_are_never_ejected() {
        let ejection = Ejection::default();
        for (size, ejected) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (10, 5)] {
            assert_eq!(ejection.max_ejected(size), ejected, "{size}");
        }
        let all = ejection.with_max_percent(100);
        assert_eq!((all.max_ejected(1), all.max_ejected(3)), (0, 2));
        assert_eq!(ejection.with_max_percent(0).max_ejected(3), 1);
    }
}
