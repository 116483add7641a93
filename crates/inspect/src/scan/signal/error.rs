//! Errors of the service (500) for five and more different targets of pages that it serves, as attacks on
//! parameters cause them. In an outage, other clients see errors, too, or are not served; then no error
//! counts.

use super::{Detector, Signal, Trigger};
use crate::scan::exchange::Answer;

pub(super) const SIGNAL: Signal = Signal {
    name: "error",
    weight: 20,
    trigger: Trigger::Alone,
    detector: Detector::Response(|exchange| {
        exchange.is_new
            && exchange.answer == Answer::Error
            && exchange.history.errors.bits() >= TARGETS
    }),
};

/// The number of targets with which the signal begins.
const TARGETS: u32 = 5;
