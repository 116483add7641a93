//! Ids of denials, which a client can quote in a support request.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use gabion_core::EventId;

/// Generates an unpredictable id per denial: a keyed hash of a counter.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventIds {
    count: Arc<AtomicU64>,
    key: RandomState,
}

impl EventIds {
    pub(crate) fn next(&self) -> EventId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        EventId::new(self.key.hash_one(count))
    }
}
