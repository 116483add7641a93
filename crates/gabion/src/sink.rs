//! Where events go when nobody says otherwise.

use std::{sync::Arc, time::SystemTime};

use gabion_core::{DiagnosisCounters, Event, RequestEventKind, Sink};

/// A sink that a guard keeps house for.
pub(crate) trait Housed: Sink {
    /// Tells what was held back before the second of `now`.
    fn flush(&self, now: SystemTime);
}

/// A sink given by the user, who keeps house himself.
pub(crate) struct Given(pub(crate) Arc<dyn Sink>);

/// A sink that also counts what is wrong with WebSockets.
pub(crate) struct Tallied {
    inner: Arc<dyn Housed>,
    diagnosis_counters: DiagnosisCounters,
}

impl Tallied {
    pub(crate) fn new(inner: Arc<dyn Housed>) -> Self {
        let diagnosis_counters = DiagnosisCounters::default();
        Self {
            inner,
            diagnosis_counters,
        }
    }

    pub(crate) const fn diagnosis_counters(&self) -> &DiagnosisCounters {
        &self.diagnosis_counters
    }
}

impl Sink for Tallied {
    fn record(&self, event: &Event) {
        let made = match event {
            Event::Diagnosis(event) => Some(event.diagnosis),
            Event::Request(event) => match &event.kind {
                RequestEventKind::Denied(denial) => denial.diagnosis,
                _ => None,
            },
            _ => None,
        };
        if let Some(made) = made {
            self.diagnosis_counters.count(made);
        }
        self.inner.record(event);
    }
}

impl Housed for Tallied {
    fn flush(&self, now: SystemTime) {
        self.inner.flush(now);
    }
}

impl Sink for Given {
    fn record(&self, event: &Event) {
        self.0.record(event);
    }
}

impl Housed for Given {
    fn flush(&self, _now: SystemTime) {}
}

pub(crate) use default::default;

#[cfg(feature = "tracing")]
mod default {
    use std::{sync::Arc, time::SystemTime};

    use gabion_sinks::{Bounded, EventBudget, Tracing};

    use super::Housed;

    impl Housed for Bounded<Tracing> {
        fn flush(&self, now: SystemTime) {
            Self::flush(self, now);
        }
    }

    pub(crate) fn default() -> Arc<dyn Housed> {
        Arc::new(Bounded::new(Tracing, EventBudget::default()))
    }
}

#[cfg(not(feature = "tracing"))]
mod default {
    use std::sync::Arc;

    use gabion_core::{Event, Sink};

    use super::{Given, Housed};

    struct Nowhere;

    impl Sink for Nowhere {
        fn record(&self, _event: &Event) {}
    }

    pub(crate) fn default() -> Arc<dyn Housed> {
        Arc::new(Given(Arc::new(Nowhere)))
    }
}
