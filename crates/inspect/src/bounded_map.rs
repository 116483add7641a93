//! A concurrent map with a fixed capacity.

use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::{
    Lifecycle, UnitWeighter,
    sync::{Cache, DefaultLifecycle, EntryAction, EntryResult},
};

use crate::TableUsage;

/// A concurrent map of at most `capacity` entries, by `quick_cache`. A full map evicts keys seen
/// once before keys seen repeatedly.
///
/// Clients choose the keys, so the hash must be seeded: by the default hasher, or in the key.
pub(crate) struct BoundedMap<K, V, S = RandomState> {
    entries: Entries<K, V, S>,
    evictions: Arc<AtomicU64>,
}

type Entries<K, V, S> = Cache<K, V, UnitWeighter, S, CountEvictions<K, V>>;

/// The lifecycle that counts evicted entries, and drops them outside of the lock like the default one.
pub(crate) struct CountEvictions<K, V> {
    evictions: Arc<AtomicU64>,
    inner: DefaultLifecycle<K, V>,
}

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
        let evictions = Arc::<AtomicU64>::default();
        let lifecycle = CountEvictions {
            evictions: Arc::clone(&evictions),
            inner: DefaultLifecycle::default(),
        };
        Self {
            entries: Cache::with(capacity, weight, UnitWeighter, S::default(), lifecycle),
            evictions,
        }
    }

    /// Updates the entry of `key` in place, starting from the default if there is none.
    pub(crate) fn update<T>(&self, key: K, change: impl Fn(&mut V) -> T) -> T {
        let entry = self
            .entries
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
        self.entries.get(&key)
    }

    /// Removes the entry of `key`.
    pub(crate) fn remove(&self, key: K) {
        self.entries.remove(&key);
    }

    /// Returns a copy of all entries, in no order.
    ///
    /// # Cost
    ///
    /// Locks one shard after the other. Not for the request path.
    pub(crate) fn entries(&self) -> Vec<(K, V)> {
        self.entries.iter().collect()
    }

    /// Returns the number of entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the use of the map as a table of this name.
    pub(crate) fn usage(&self, name: &'static str) -> TableUsage {
        let capacity = usize::try_from(self.entries.capacity()).unwrap_or(usize::MAX);
        let evictions = self.evictions.load(Ordering::Relaxed);
        TableUsage::new(name, self.len(), capacity, evictions)
    }
}

impl<K, V, S> fmt::Debug for BoundedMap<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedMap").finish_non_exhaustive()
    }
}

// === impl CountEvictions ===

impl<K, V> Lifecycle<K, V> for CountEvictions<K, V> {
    type RequestState = <DefaultLifecycle<K, V> as Lifecycle<K, V>>::RequestState;

    fn on_evict(&self, state: &mut Self::RequestState, key: K, val: V) {
        self.evictions.fetch_add(1, Ordering::Relaxed);
        self.inner.on_evict(state, key, val);
    }
}

impl<K, V> Clone for CountEvictions<K, V> {
    fn clone(&self) -> Self {
        Self {
            evictions: Arc::clone(&self.evictions),
            inner: self.inner.clone(),
        }
    }
}

/// Returns the factor that remains of a count after `elapsed`, with the half-life `half_life`.
pub(crate) fn decay(elapsed: Duration, half_life: Duration) -> f32 {
    (-elapsed.as_secs_f32() / half_life.as_secs_f32()).exp2()
}
