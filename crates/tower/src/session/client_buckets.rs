//! Token buckets of a client, shared by all its sessions on a route.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gabion_core::SessionLimits;

/// The token buckets of a client for messages and payload bytes. Its open sessions on a route share
/// them; after the last one is closed, the next session gets full buckets.
pub(crate) struct ClientBuckets {
    pub(crate) messages: TokenBucket,
    pub(crate) bytes: TokenBucket,
}

/// A token-bucket rate: `per_second`, with a burst of the same size. Unlimited if `None`.
///
/// It stores only the time at which the bucket is full again (GCRA), so one atomic number holds its
/// state.
pub(crate) struct TokenBucket {
    per_second: Option<u64>,
    /// Monotonic nanoseconds.
    full_at: AtomicU64,
}

const SECOND: u64 = 1_000_000_000;

// === impl ClientBuckets ===

impl ClientBuckets {
    /// Creates the buckets that `limits` define, or `None` if they define no rate per client.
    pub(crate) fn new(limits: &SessionLimits) -> Option<Self> {
        let (messages, bytes) = (limits.client_messages, limits.client_bytes);
        (messages.is_some() || bytes.is_some()).then(|| Self {
            messages: TokenBucket::new(messages),
            bytes: TokenBucket::new(bytes),
        })
    }

    /// Returns `true` if the buckets have the rates that `limits` define.
    pub(crate) fn matches(self: &Arc<Self>, limits: &SessionLimits) -> bool {
        (self.messages.per_second, self.bytes.per_second)
            == (limits.client_messages, limits.client_bytes)
    }
}

// === impl TokenBucket ===

impl TokenBucket {
    const fn new(per_second: Option<u64>) -> Self {
        let full_at = AtomicU64::new(0);
        Self {
            per_second,
            full_at,
        }
    }

    /// Takes `amount` tokens if available, and none otherwise. Always succeeds when unlimited.
    pub(crate) fn take(&self, amount: u64, now: Duration) -> bool {
        let Some(per_second) = self.per_second else {
            return true;
        };
        let cost = amount.saturating_mul(SECOND).div_ceil(per_second.max(1));
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let updated = self
            .full_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
                let later = full_at.max(now).saturating_add(cost);
                (later - now <= SECOND).then_some(later)
            });
        updated.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_allows_a_burst_of_one_second_and_then_its_rate() {
        let bucket = TokenBucket::new(Some(5));
        let at = |millis: u64| Duration::from_millis(1_000_000 + millis);
        let taken = |millis| (0..100).filter(|_| bucket.take(1, at(millis))).count();
        assert_eq!(taken(0), 5);
        assert_eq!(taken(199), 0);
        assert_eq!(taken(200), 1);
        assert_eq!(taken(1_000), 4);
        assert_eq!(taken(60_000), 5, "the burst is at most one second's tokens");
    }

    #[test]
    fn bucket_charges_the_same_in_pieces_and_at_once() {
        let (pieces, whole) = (TokenBucket::new(Some(1_000)), TokenBucket::new(Some(1_000)));
        assert!((0..900).all(|_| pieces.take(1, Duration::ZERO)));
        assert!(whole.take(900, Duration::ZERO));
        for bucket in [&pieces, &whole] {
            assert!(!bucket.take(101, Duration::ZERO));
            assert!(bucket.take(100, Duration::ZERO));
        }
        assert!(TokenBucket::new(None).take(u64::MAX, Duration::ZERO));
    }
}
