//! Counts and times of requests, for the meter of a layer.

use std::time::Duration;

use gabion_core::Judgment;

use super::judgment::Decision;
use crate::engine::Engine;

/// The monotonic time at which a measured span begins.
#[derive(Clone, Copy)]
pub(super) struct Timer(Duration);

impl Engine {
    /// Starts a timer if the time of the request that arrives now is measured.
    #[inline]
    pub(super) fn start_timer(&self) -> Option<Timer> {
        let meter = self.meter.as_ref()?;
        meter.is_timed().then(|| Timer(self.clock.now().mono()))
    }

    /// Starts a timer for a further span of a measured exchange.
    pub(super) fn timer(&self) -> Timer {
        Timer(self.clock.now().mono())
    }

    /// Counts a judged request.
    #[inline]
    pub(super) fn count(&self, judgment: Judgment) {
        if let Some(meter) = &self.meter {
            meter.count(judgment);
        }
    }

    /// Records the time that was added to an exchange whose response is not processed.
    #[inline]
    pub(super) fn add_time(&self, judgment: Judgment, added: Option<Duration>) {
        if let (Some(meter), Some(added)) = (&self.meter, added) {
            meter.add_time(judgment, added);
        }
    }

    /// Records the time that was added to an exchange: that of its request, and that since the timer was
    /// started for its response.
    #[inline]
    pub(super) fn add_response_time(&self, of_request: Option<Duration>, timer: Option<Timer>) {
        if let (Some(of_request), Some(timer)) = (of_request, timer) {
            let added = of_request.saturating_add(self.elapsed(timer));
            self.add_time(Judgment::Passed, Some(added));
        }
    }

    pub(super) fn elapsed(&self, timer: Timer) -> Duration {
        self.clock.now().mono().saturating_sub(timer.0)
    }
}

// === impl Decision ===

impl Decision<'_> {
    /// Returns the result as a meter counts it; `None` if an exact limit decides about it later.
    pub(super) fn judgment(&self) -> Option<Judgment> {
        match self {
            Self::Pass(exchange, _) if exchange.has_remote() => None,
            Self::Pass(..) => Some(Judgment::Passed),
            Self::Unjudged(_) => Some(Judgment::Unjudged),
            Self::Respond(_) => Some(Judgment::Refused),
        }
    }
}
