//! Numbers that look drawn.

/// Numbers that look random and are the same in each run (xorshift64*, Vigna 2016).
#[derive(Debug)]
pub struct Numbers(u64);

// === impl Numbers ===

impl Numbers {
    /// The numbers of this seed, which is not 0.
    pub const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The next.
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// The next, twice as wide.
    pub fn wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    /// One of `count`, from zero; none of zero is zero.
    pub fn below(&mut self, count: usize) -> usize {
        let share = (u128::from(self.next()) * count as u128) >> 64;
        usize::try_from(share).unwrap_or(0)
    }
}
