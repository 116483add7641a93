//! The response times of clean requests.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

/// Response times, eight bytes each: a soak of an hour takes a million.
pub(crate) struct Latencies {
    start: Instant,
    taken: RefCell<Vec<Latency>>,
}

#[derive(Clone, Copy, Debug)]
struct Latency {
    /// Milliseconds from the start of the soak to the response.
    at: u32,
    /// Microseconds from the request to the response.
    took: u32,
}

// === impl Latencies ===

impl Latencies {
    /// `start` is that of the samples.
    pub(crate) const fn new(start: Instant) -> Self {
        let taken = RefCell::new(Vec::new());
        Self { start, taken }
    }

    /// Records the response to a request that was sent at `sent`.
    pub(crate) fn record(&self, sent: Instant) {
        let at = self.start.elapsed().as_millis();
        let took = sent.elapsed().as_micros();
        self.taken.borrow_mut().push(Latency {
            at: at.try_into().unwrap_or(u32::MAX),
            took: took.try_into().unwrap_or(u32::MAX),
        });
    }

    /// Returns the response time that `percent` of the requests took at most, for each `interval` with a
    /// response: pairs of the end of the interval and the time.
    pub(crate) fn percentiles(
        &self,
        percent: usize,
        interval: Duration,
    ) -> Vec<(Duration, Duration)> {
        let taken = self.taken.borrow();
        let index = |latency: &Latency| u128::from(latency.at) / interval.as_millis();
        let of_interval = |taken: &[Latency]| {
            let mut took: Vec<_> = taken.iter().map(|latency| latency.took).collect();
            took.sort_unstable();
            let took = took[(took.len() * percent / 100).min(took.len() - 1)];
            let end = interval * (index(&taken[0]) + 1).try_into().unwrap();
            (end, Duration::from_micros(took.into()))
        };
        // Recorded in the order of `at`.
        let intervals = taken.chunk_by(|one, next| index(one) == index(next));
        intervals.map(of_interval).collect()
    }
}
