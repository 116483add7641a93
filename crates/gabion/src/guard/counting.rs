//! A sink that keeps figures of events on their way.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use gabion_core::{DiagnosisCounters, Event, PolicyEvent, RequestEventKind, Sink};
use gabion_tower::Clock;

/// Counts the WebSocket diagnoses of events, keeps the last error of a reload, and passes every event on.
pub(super) struct CountingSink {
    inner: Option<Arc<dyn Sink>>,
    counters: DiagnosisCounters,
    clock: Arc<dyn Clock>,
    rejected: Mutex<Option<RejectedPolicy>>,
}

/// A document that did not come into force ([`Guard::rejected_policy`](crate::Guard::rejected_policy)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RejectedPolicy {
    /// The time of the attempt.
    pub at: SystemTime,
    /// The errors, at most [`PolicyEvent::MAX_WHY`] bytes.
    pub errors: Arc<str>,
}

impl CountingSink {
    pub(super) fn new(inner: Option<Arc<dyn Sink>>, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            counters: DiagnosisCounters::default(),
            clock,
            rejected: Mutex::default(),
        }
    }

    pub(super) fn rejected_policy(&self) -> Option<RejectedPolicy> {
        let rejected = self.rejected.lock();
        rejected.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep_rejected(&self, event: &PolicyEvent) {
        let rejected = match event {
            PolicyEvent::Kept { why, .. } => Some(RejectedPolicy {
                at: self.clock.now().wall(),
                errors: Arc::clone(why),
            }),
            PolicyEvent::Replaced { .. } | PolicyEvent::Restored { .. } => None,
            _ => return,
        };
        *self.rejected.lock().unwrap_or_else(PoisonError::into_inner) = rejected;
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
        if let Event::Policy(event) = event {
            self.keep_rejected(event);
        }
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
