//! Names for denials, by which a client can ask about one.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use gabion_core::EventId;

/// Gives each denial a name that tells nothing: a keyed hash of a count.
#[derive(Clone, Debug, Default)]
pub(super) struct EventIds {
    count: Arc<AtomicU64>,
    key: RandomState,
}

impl EventIds {
    pub(super) fn next(&self) -> EventId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        EventId::new(self.key.hash_one(count))
    }
}
