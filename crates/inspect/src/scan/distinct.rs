//! Counts of different targets.

/// A set of targets of the current and the preceding period, of which the number is estimated: by
/// linear counting (Whang et al., 1990) with one bit per target.
///
/// With 16 targets, 15 bits are set on average. An estimate is at most about 620.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Distinct {
    current: u128,
    previous: u128,
}

impl Distinct {
    /// Adds the target with this key. Returns `true` if its bit was not set.
    pub(super) fn insert(&mut self, key: u32) -> bool {
        let bit = Self::bit(key);
        let is_new = (self.current | self.previous) & bit == 0;
        self.current |= bit;
        is_new
    }

    /// Returns `true` if the bit of the target is set.
    pub(super) fn contains(&self, key: u32) -> bool {
        (self.current | self.previous) & Self::bit(key) != 0
    }

    /// Starts a new period, `periods` after the current one.
    pub(super) fn advance(&mut self, periods: u32) {
        match periods {
            0 => {}
            1 => {
                self.previous = self.current;
                self.current = 0;
            }
            _ => *self = Self::default(),
        }
    }

    /// The number of bits: at most the number of targets.
    pub(super) const fn bits(&self) -> u32 {
        (self.current | self.previous).count_ones()
    }

    /// The estimated number of targets.
    pub(super) fn estimate(&self) -> f32 {
        let all = 128.0;
        let unset = u16::try_from((self.current | self.previous).count_zeros()).unwrap_or(0);
        let unset = f32::from(unset.max(1));
        -all * (unset / all).ln()
    }

    /// Of a hash, the bits are multiplied, since keys of one folder may be successive.
    const fn bit(key: u32) -> u128 {
        1 << (key.wrapping_mul(0x9e37_79b1) >> 25)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimate_is_near_and_bits_never_exceed_the_number() {
        let mut distinct = Distinct::default();
        let mut key = 1_u32;
        for number in 1_u16..=200 {
            key = key.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            distinct.insert(key);
            assert!(distinct.bits() <= number.into());
            if number >= 16 {
                let error = distinct.estimate() / f32::from(number);
                assert!((0.7..1.4).contains(&error), "{number}: {error}");
            }
        }
        assert!(distinct.contains(key));
    }

    #[test]
    fn targets_count_for_two_periods() {
        let mut distinct = Distinct::default();
        assert!(distinct.insert(7));
        assert!(!distinct.insert(7));
        distinct.advance(1);
        assert!(!distinct.insert(7), "in the preceding period");
        distinct.advance(2);
        assert!(distinct.insert(7));
        assert_eq!(distinct.bits(), 1);
    }
}
