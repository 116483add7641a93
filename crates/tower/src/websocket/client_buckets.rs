//! What a client may send over all its sessions on a route.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gabion_core::SessionLimits;

/// What is left of a client's budgets, shared by its sessions that are open: who has none open begins
/// anew.
pub(super) struct ClientBuckets {
    pub(super) messages: TokenBucket,
    pub(super) bytes: TokenBucket,
}

/// So many in a second, and at once.
///
/// It knows when all that was taken will have come back (GCRA), so that one number is all there is to
/// change.
pub(super) struct TokenBucket {
    per_second: Option<u64>,
    /// Nanoseconds, monotonic.
    full_at: AtomicU64,
}

const SECOND: u64 = 1_000_000_000;

// === impl Allowance ===

impl ClientBuckets {
    /// What `limits` allow; nothing where they ask for nothing.
    pub(super) fn new(limits: &SessionLimits) -> Option<Self> {
        let (messages, bytes) = (limits.client_messages, limits.client_bytes);
        (messages.is_some() || bytes.is_some()).then(|| Self {
            messages: TokenBucket::new(messages),
            bytes: TokenBucket::new(bytes),
        })
    }

    /// Whether it is what `limits` allow.
    pub(super) fn matches(self: &Arc<Self>, limits: &SessionLimits) -> bool {
        (self.messages.per_second, self.bytes.per_second)
            == (limits.client_messages, limits.client_bytes)
    }
}

// === impl Meter ===

impl TokenBucket {
    const fn new(per_second: Option<u64>) -> Self {
        let full_at = AtomicU64::new(0);
        Self {
            per_second,
            full_at,
        }
    }

    /// Takes so many, or none where there are not enough. There always are without a rate.
    pub(super) fn take(&self, amount: u64, now: Duration) -> bool {
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
    fn meter_lets_pass_a_seconds_worth_at_once_and_then_its_rate() {
        let meter = TokenBucket::new(Some(5));
        let at = |millis: u64| Duration::from_millis(1_000_000 + millis);
        let taken = |millis| (0..100).filter(|_| meter.take(1, at(millis))).count();
        assert_eq!(taken(0), 5);
        assert_eq!(taken(199), 0);
        assert_eq!(taken(200), 1);
        assert_eq!(taken(1_000), 4);
        assert_eq!(taken(60_000), 5, "no more than a second's worth gathers");
    }

    #[test]
    fn meter_is_spent_alike_in_pieces_and_at_once() {
        let (pieces, whole) = (TokenBucket::new(Some(1_000)), TokenBucket::new(Some(1_000)));
        assert!((0..900).all(|_| pieces.take(1, Duration::ZERO)));
        assert!(whole.take(900, Duration::ZERO));
        for meter in [&pieces, &whole] {
            assert!(!meter.take(101, Duration::ZERO));
            assert!(meter.take(100, Duration::ZERO));
        }
        assert!(TokenBucket::new(None).take(u64::MAX, Duration::ZERO));
    }
}
