//! A set without locks that may lose its members.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// A set of numbers, of which one has a place with others: the last one that was inserted is kept, as in
/// a direct-mapped cache. Lookups and insertions take no lock. A number is not found until it is inserted.
///
/// For what is cheap to find out again, and for what is forgotten unless it recurs. Clients can choose numbers
/// that share a place, which only makes the set forget.
pub(crate) struct LossySet(Box<[AtomicU64]>);

// === impl LossySet ===

impl LossySet {
    /// Creates a set of `places`, a power of two, of eight bytes each.
    pub(crate) fn new(places: usize) -> Self {
        let places = places.next_power_of_two();
        Self((0..places).map(|_| AtomicU64::new(0)).collect())
    }

    /// Returns `true` if the set holds `number`, which is not zero.
    #[inline]
    pub(crate) fn contains(&self, number: u64) -> bool {
        let place = self.place(number);
        number != 0 && place.is_some_and(|place| place.load(Ordering::Relaxed) == number)
    }

    /// Inserts `number` in its place.
    pub(crate) fn insert(&self, number: u64) {
        if let Some(place) = self.place(number) {
            place.store(number, Ordering::Relaxed);
        }
    }

    /// Forgets all numbers, as others that take their places could make it do.
    #[cfg(test)]
    pub(crate) fn clear(&self) {
        for place in &self.0 {
            place.store(0, Ordering::Relaxed);
        }
    }

    #[inline]
    fn place(&self, number: u64) -> Option<&AtomicU64> {
        // Fibonacci hashing.
        let hash = usize::try_from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32);
        self.0.get(hash.ok()? & self.0.len().wrapping_sub(1))
    }
}

impl fmt::Debug for LossySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LossySet")
            .field("places", &self.0.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_kept_until_another_takes_its_place() {
        let set = LossySet::new(4);
        assert!(!set.contains(0) && !set.contains(7));
        for number in 1..1_000 {
            set.insert(number);
            assert!(set.contains(number) && !set.contains(number + 1));
        }
        let kept = (1..1_000).filter(|number| set.contains(*number));
        assert!(kept.count() <= 4);
    }
}
