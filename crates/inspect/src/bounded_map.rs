//! A concurrent map with a fixed capacity.

use std::{
    fmt,
    hash::{Hash, RandomState},
    time::Duration,
};

use quick_cache::{
    UnitWeighter,
    sync::{Cache, DefaultLifecycle, EntryAction, EntryResult},
};

/// A concurrent map of at most `capacity` entries, by `quick_cache`. A full map evicts keys seen
/// once before keys seen repeatedly.
///
/// The hash is seeded per process, since clients choose the keys.
pub(crate) struct BoundedMap<K, V>(Cache<K, V, UnitWeighter, RandomState>);

// === impl BoundedMap ===

impl<K: Copy + Eq + Hash, V: Clone + Default> BoundedMap<K, V> {
    /// Creates a map of at most `capacity` entries, at least 1.
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        let weight = u64::try_from(capacity).unwrap_or(u64::MAX);
        let lifecycle = DefaultLifecycle::default();
        Self(Cache::with(
            capacity,
            weight,
            UnitWeighter,
            RandomState::new(),
            lifecycle,
        ))
    }

    /// Updates the entry of `key` in place, starting from the default if there is none.
    pub(crate) fn update<T>(&self, key: K, change: impl Fn(&mut V) -> T) -> T {
        let entry = self
            .0
            .entry(&key, None, |_, entry| EntryAction::Retain(change(entry)));
        let mut value = V::default();
        match entry {
            EntryResult::Retained(result) => result,
            EntryResult::Vacant(slot) => {
                let result = change(&mut value);
                // If the slot was evicted in the meantime, the entry is lost with it.
                let _ = slot.insert(value);
                result
            }
            // `update` returns neither of the first two actions and sets no timeout.
            EntryResult::Removed(..) | EntryResult::Replaced(..) | EntryResult::Timeout => {
                change(&mut value)
            }
        }
    }

    /// Returns a copy of the entry.
    pub(crate) fn get(&self, key: K) -> Option<V> {
        self.0.get(&key)
    }

    /// Returns the number of entries.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<K, V> fmt::Debug for BoundedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedMap").finish_non_exhaustive()
    }
}

/// Returns the factor that remains of a count after `elapsed`, with the half-life `half_life`.
pub(crate) fn decay(elapsed: Duration, half_life: Duration) -> f32 {
    (-elapsed.as_secs_f32() / half_life.as_secs_f32()).exp2()
}
