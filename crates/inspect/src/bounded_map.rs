//! A concurrent map with a fixed capacity.

use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    time::Duration,
};

use quick_cache::{
    UnitWeighter,
    sync::{Cache, DefaultLifecycle, EntryAction, EntryResult},
};

/// A concurrent map of at most `capacity` entries, by `quick_cache`. A full map evicts keys seen
/// once before keys seen repeatedly.
///
/// Clients choose the keys, so the hash must be seeded: by the default hasher, or in the key.
pub(crate) struct BoundedMap<K, V, S = RandomState>(Cache<K, V, UnitWeighter, S>);

// === impl BoundedMap ===

impl<K, V, S> BoundedMap<K, V, S>
where
    K: Copy + Eq + Hash,
    V: Clone + Default,
    S: BuildHasher + Clone + Default,
{
    /// Creates a map of at most `capacity` entries, at least 1.
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        let weight = u64::try_from(capacity).unwrap_or(u64::MAX);
        let lifecycle = DefaultLifecycle::default();
        Self(Cache::with(
            capacity,
            weight,
            UnitWeighter,
            S::default(),
            lifecycle,
        ))
    }

    /// Updates the entry of `key` in place, starting from the default if there is none.
    pub(crate) fn update<T>(&self, key: K, change: impl Fn(&mut V) -> T) -> T {
        let entry = self
            .0
            .entry(&key, None, |_, entry| EntryAction::Retain(change(entry)));
        match entry {
            EntryResult::Retained(result) => result,
            EntryResult::Vacant(slot) => {
                let mut value = V::default();
                let result = change(&mut value);
                // If the slot was evicted in the meantime, the entry is lost with it.
                let _ = slot.insert(value);
                result
            }
            // `update` returns neither of the first two actions and sets no timeout.
            EntryResult::Removed(..) | EntryResult::Replaced(..) | EntryResult::Timeout => {
                change(&mut V::default())
            }
        }
    }

    /// Returns a copy of the entry.
    pub(crate) fn get(&self, key: K) -> Option<V> {
        self.0.get(&key)
    }

    /// Removes the entry of `key`.
    pub(crate) fn remove(&self, key: K) {
        self.0.remove(&key);
    }

    /// Returns a copy of all entries, in no order.
    ///
    /// # Cost
    ///
    /// Locks one shard after the other. Not for the request path.
    pub(crate) fn entries(&self) -> Vec<(K, V)> {
        self.0.iter().collect()
    }

    /// Returns the number of entries.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<K, V, S> fmt::Debug for BoundedMap<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedMap").finish_non_exhaustive()
    }
}

/// Returns the factor that remains of a count after `elapsed`, with the half-life `half_life`.
pub(crate) fn decay(elapsed: Duration, half_life: Duration) -> f32 {
    (-elapsed.as_secs_f32() / half_life.as_secs_f32()).exp2()
}
