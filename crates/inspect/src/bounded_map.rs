//! What is remembered of many, within bounds.

use std::{
    fmt,
    hash::{Hash, RandomState},
    time::Duration,
};

use quick_cache::{
    UnitWeighter,
    sync::{Cache, DefaultLifecycle, EntryAction, EntryResult},
};

/// One entry for each key, at most so many. Who comes once makes room for who comes again.
///
/// The hash is seeded by the process: keys are what clients choose.
pub(crate) struct BoundedMap<K, V>(Cache<K, V, UnitWeighter, RandomState>);

// === impl Ledger ===

impl<K: Copy + Eq + Hash, V: Clone + Default> BoundedMap<K, V> {
    /// A ledger of at most `capacity` entries, and of one at least.
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

    /// Changes an entry in place, a blank one where there was none.
    pub(crate) fn update<T>(&self, key: K, change: impl Fn(&mut V) -> T) -> T {
        let entry = self
            .0
            .entry(&key, None, |_, entry| EntryAction::Retain(change(entry)));
        let mut blank = V::default();
        match entry {
            EntryResult::Retained(said) => said,
            EntryResult::Vacant(place) => {
                let said = change(&mut blank);
                // Where the place is gone meanwhile, the entry is too.
                let _ = place.insert(blank);
                said
            }
            // None of these is asked for.
            EntryResult::Removed(..) | EntryResult::Replaced(..) | EntryResult::Timeout => {
                change(&mut blank)
            }
        }
    }

    /// An entry as it stands.
    pub(crate) fn get(&self, key: K) -> Option<V> {
        self.0.get(&key)
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<K, V> fmt::Debug for BoundedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

/// The part of a count that is left after `gone`, where half of it is left after `half`.
pub(crate) fn left_after(gone: Duration, half: Duration) -> f32 {
    (-gone.as_secs_f32() / half.as_secs_f32()).exp2()
}
