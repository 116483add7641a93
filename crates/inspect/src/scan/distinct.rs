//! Counts of different targets.

/// A set of targets of the current and the preceding period, of which the number is estimated: by
/// linear counting (Whang et al., 1990) with one bit per target, of 128 bits in each block.
///
/// Of 16 targets, one shares its bit with another on average; with two blocks, every other time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Distinct<const BLOCKS: usize = 1> {
    current: [u128; BLOCKS],
    previous: [u128; BLOCKS],
}

impl<const BLOCKS: usize> Default for Distinct<BLOCKS> {
    fn default() -> Self {
        Self {
            current: [0; BLOCKS],
            previous: [0; BLOCKS],
        }
    }
}

impl<const BLOCKS: usize> Distinct<BLOCKS> {
    /// Adds the target with this key. Returns `true` if its bit was not set.
    pub(super) fn insert(&mut self, key: u32) -> bool {
        let is_new = !self.contains(key);
        let (block, bit) = Self::bit(key);
        if let Some(current) = self.current.get_mut(block) {
            *current |= bit;
        }
        is_new
    }

    /// Returns `true` if the bit of the target is set.
    pub(super) fn contains(&self, key: u32) -> bool {
        let (block, bit) = Self::bit(key);
        let mut periods = [self.current.get(block), self.previous.get(block)].into_iter();
        periods.any(|bits| bits.is_some_and(|bits| bits & bit != 0))
    }

    /// Starts a new period, `periods` after the current one.
    pub(super) fn advance(&mut self, periods: u32) {
        match periods {
            0 => {}
            1 => {
                self.previous = self.current;
                self.current = [0; BLOCKS];
            }
            _ => *self = Self::default(),
        }
    }

    /// The number of bits: at most the number of targets.
    pub(super) fn bits(&self) -> u32 {
        let blocks = self.current.iter().zip(&self.previous);
        blocks.map(|(one, other)| (one | other).count_ones()).sum()
    }

    /// The estimated number of targets.
    #[expect(clippy::cast_precision_loss, reason = "some hundreds of bits")]
    pub(super) fn estimate(&self) -> f32 {
        let all = (BLOCKS * 128) as f32;
        let unset = all - self.bits() as f32;
        -all * (unset.max(1.0) / all).ln()
    }

    /// The block of the target, and its bit. Of a hash, the bits are multiplied, since keys of one folder may be
    /// successive.
    const fn bit(key: u32) -> (usize, u128) {
        let mixed = key.wrapping_mul(0x9e37_79b1);
        ((mixed >> 16) as usize % BLOCKS, 1 << (mixed >> 25))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimate_is_near_and_bits_never_exceed_the_number() {
        check_estimates(Distinct::<1>::default());
        check_estimates(Distinct::<2>::default());
    }

    fn check_estimates<const BLOCKS: usize>(mut distinct: Distinct<BLOCKS>) {
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
        let mut distinct = Distinct::<1>::default();
        assert!(distinct.insert(7));
        assert!(!distinct.insert(7));
        distinct.advance(1);
        assert!(!distinct.insert(7), "in the preceding period");
        distinct.advance(2);
        assert!(distinct.insert(7));
        assert_eq!(distinct.bits(), 1);
    }
}
