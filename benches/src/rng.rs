//! A pseudorandom number generator.

/// A pseudorandom number generator with a fixed seed: each run gets the same numbers (xorshift64*,
/// Vigna 2016).
#[derive(Debug)]
pub struct Rng(u64);

// === impl Rng ===

impl Rng {
    /// Creates a generator from `seed`, which must not be 0.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Returns the next 128 bits.
    pub fn next_u128(&mut self) -> u128 {
        u128::from(self.next_u64()) << 64 | u128::from(self.next_u64())
    }

    /// Returns a number from 0 to `count - 1`, or 0 if `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        let share = (u128::from(self.next_u64()) * count as u128) >> 64;
        usize::try_from(share).unwrap_or(0)
    }
}
