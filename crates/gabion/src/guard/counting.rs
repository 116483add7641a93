//! A sink that counts diagnoses on their way.

use std::{sync::Arc, time::SystemTime};

use gabion_core::{DiagnosisCounters, Event, RequestEventKind, Sink};

/// Counts the WebSocket diagnoses of events, and passes every event on.
pub(super) struct CountingSink {
    inner: Option<Arc<dyn Sink>>,
    counters: DiagnosisCounters,
}

impl CountingSink {
    pub(super) fn new(inner: Option<Arc<dyn Sink>>) -> Self {
        let counters = DiagnosisCounters::default();
        Self { inner, counters }
    }

    pub(super) const fn counters(&self) -> &DiagnosisCounters {
        &self.counters
    }
}

impl Sink for CountingSink {
    fn record(&self, event: &Event) {
        let diagnosis = match event {
            Event::Diagnosis(event) => Some(event.diagnosis),
            Event::Request(event) => match &event.kind {
                RequestEventKind::Denied(denial) => denial.diagnosis,
                _ => None,
            },
            _ => None,
        };
        if let Some(diagnosis) = diagnosis {
            self.counters.count(diagnosis);
        }
        if let Some(inner) = &self.inner {
            inner.record(event);
        }
    }

    fn flush(&self, now: SystemTime) {
        if let Some(inner) = &self.inner {
            inner.flush(now);
        }
    }
}
