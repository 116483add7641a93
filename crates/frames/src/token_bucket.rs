//! Token bucket.

use crate::Rate;

const NANOS: u64 = 1_000_000_000;

/// The tokens left of a [`Rate`], in billionths: a rate of `n` per second adds `n` units per
/// nanosecond, so that no fraction is lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    left: u64,
}

impl TokenBucket {
    pub(crate) fn full(rate: Option<Rate>) -> Self {
        Self {
            left: rate.map_or(0, capacity),
        }
    }

    /// Adds the tokens of `elapsed` nanoseconds.
    pub(crate) fn refill(&mut self, rate: Option<Rate>, elapsed: u64) {
        if let Some(rate) = rate {
            let earned = elapsed.saturating_mul(rate.per_second);
            self.left = self.left.saturating_add(earned).min(capacity(rate));
        }
    }

    /// Takes `amount` tokens. Fails with the rate if there are too few. Without a rate it always
    /// succeeds.
    pub(crate) fn take(&mut self, rate: Option<Rate>, amount: u64) -> Result<(), Rate> {
        let Some(rate) = rate else { return Ok(()) };
        let units = amount.saturating_mul(NANOS);
        self.left = self.left.checked_sub(units).ok_or(rate)?;
        Ok(())
    }
}

fn capacity(rate: Rate) -> u64 {
    rate.burst.saturating_mul(NANOS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_second: 3,
        burst: 2,
    };

    #[test]
    fn never_lets_through_more_than_burst_and_rate() {
        let (mut bucket, mut passed) = (TokenBucket::full(Some(RATE)), 0_u64);
        // Ten seconds in steps of 7 ms, one token each.
        for _ in 0..1_430 {
            passed += u64::from(bucket.take(Some(RATE), 1).is_ok());
            bucket.refill(Some(RATE), 7_000_000);
        }
        assert_eq!(passed, 2 + 3 * 10);
    }

    #[test]
    fn taking_in_pieces_equals_taking_at_once() {
        let (mut pieces, mut whole) =
            (TokenBucket::full(Some(RATE)), TokenBucket::full(Some(RATE)));
        for bucket in [&mut pieces, &mut whole] {
            bucket.refill(Some(RATE), 333_333_333);
        }
        assert!(pieces.take(Some(RATE), 1).is_ok() && pieces.take(Some(RATE), 1).is_ok());
        assert!(whole.take(Some(RATE), 2).is_ok());
        assert_eq!(pieces.left, whole.left);
        assert_eq!(whole.take(Some(RATE), 1), Err(RATE));
    }

    #[test]
    fn without_a_rate_taking_always_succeeds() {
        assert_eq!(TokenBucket::full(None).take(None, u64::MAX), Ok(()));
    }
}
