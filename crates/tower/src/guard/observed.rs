//! Observed denials of an exchange, until its response is known.

use std::sync::Arc;

use gabion_core::{Event, RequestEvent, Sink};
use http::StatusCode;

/// The events of denials that did not take effect. Each is reported once: with the status of the service's
/// response, or without one when the exchange ends otherwise.
#[derive(Default)]
pub(super) struct ObservedDenials {
    /// Set with the first event, so that other requests do not clone it.
    sink: Option<Arc<dyn Sink>>,
    events: Vec<RequestEvent>,
}

impl ObservedDenials {
    /// Keeps `event` for `sink`.
    pub(super) fn push(&mut self, sink: &Arc<dyn Sink>, event: RequestEvent) {
        self.sink.get_or_insert_with(|| Arc::clone(sink));
        self.events.push(event);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Reports the events, with the status of the service's response.
    #[inline]
    pub(super) fn report(&mut self, answered: Option<StatusCode>) {
        if let Some(sink) = &self.sink {
            Self::report_to(sink, &mut self.events, answered);
        }
    }

    #[cold]
    fn report_to(
        sink: &Arc<dyn Sink>,
        events: &mut Vec<RequestEvent>,
        answered: Option<StatusCode>,
    ) {
        for event in events.drain(..) {
            sink.record(&Event::Request(event.with_answered(answered)));
        }
    }
}

impl Drop for ObservedDenials {
    fn drop(&mut self) {
        self.report(None);
    }
}
