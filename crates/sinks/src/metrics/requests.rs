//! Counts of requests that threads do not contend for.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use gabion_core::Judgment;

use super::Metrics;

/// Counts by [`Judgment`], in several places: a thread adds to one of them.
#[derive(Debug, Default)]
pub(super) struct RequestCounts([Place; PLACES]);

/// The counts of some threads, apart from those of others: processors fetch two cache lines at once.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Place([AtomicU64; Judgment::ALL.len()]);

/// The state of one thread: its place among the counters, and the requests since the last timed one.
struct Counting {
    place: usize,
    /// The requests since the last one that was timed.
    untimed: Cell<u32>,
}

const PLACES: usize = 16;

/// The number of threads that have a place.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static COUNTING: Counting = Counting {
        place: THREADS.fetch_add(1, Ordering::Relaxed) % PLACES,
        untimed: const { Cell::new(0) },
    };
}

// === impl RequestCounts ===

impl RequestCounts {
    /// Returns `true` for every [`Metrics::TIMED`]th call of a thread.
    #[inline]
    pub(super) fn is_timed() -> bool {
        let is_timed = |counting: &Counting| {
            let calls = counting.untimed.get() + 1;
            let is_timed = calls >= Metrics::TIMED;
            counting.untimed.set(if is_timed { 0 } else { calls });
            is_timed
        };
        COUNTING.try_with(is_timed).unwrap_or(false)
    }

    #[inline]
    pub(super) fn count(&self, judgment: Judgment) {
        let place = COUNTING.try_with(|counting| counting.place).unwrap_or(0);
        let count = self
            .0
            .get(place)
            .and_then(|place| place.0.get(judgment as usize));
        if let Some(count) = count {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the sums of all threads, by [`Judgment`].
    pub(super) fn sums(&self) -> [u64; Judgment::ALL.len()] {
        Judgment::ALL.map(|judgment| {
            let counts = self
                .0
                .iter()
                .filter_map(|place| place.0.get(judgment as usize));
            counts.map(|count| count.load(Ordering::Relaxed)).sum()
        })
    }
}
