//! Metrics in front of a sink that limits events.

use std::{sync::Arc, time::SystemTime};

use gabion_core::{Event, Sink};

use super::Metrics;
use crate::{Bounded, EventBudget};

/// Counts each event, and passes it on.
struct CountedSink<S> {
    metrics: Arc<Metrics>,
    inner: S,
}

/// Counts the reports of dropped events, and passes each event on.
struct SuppressedSink<S> {
    metrics: Arc<Metrics>,
    inner: S,
}

// === impl Metrics ===

impl Metrics {
    /// Returns a sink that counts every event, and passes those within `budget` on to `inner`. The events
    /// beyond the budget are counted twice: by what they are, and as suppressed.
    pub fn before_bounded<S: Sink>(self: Arc<Self>, inner: S, budget: EventBudget) -> impl Sink {
        let inner = SuppressedSink {
            metrics: Arc::clone(&self),
            inner,
        };
        CountedSink {
            metrics: self,
            inner: Bounded::new(inner, budget),
        }
    }
}

impl<S: Sink> Sink for CountedSink<S> {
    fn record(&self, event: &Event) {
        self.metrics.record(event);
        self.inner.record(event);
    }

    fn flush(&self, now: SystemTime) {
        self.metrics.flush(now);
        self.inner.flush(now);
    }
}

impl<S: Sink> Sink for SuppressedSink<S> {
    fn record(&self, event: &Event) {
        if let Event::Suppressed(_) = event {
            self.metrics.record(event);
        }
        self.inner.record(event);
    }

    fn flush(&self, now: SystemTime) {
        self.inner.flush(now);
    }
}
