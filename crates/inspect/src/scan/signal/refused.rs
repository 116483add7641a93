//! A burst of modifying requests that the service answers with 401 or 403, as in password guessing.
//! Read requests do not count: a page whose session has ended retries them by itself.

use super::{Detector, Signal, Trigger};
use crate::scan::exchange::Answer;

pub(crate) const SIGNAL: Signal = Signal {
    name: "refused",
    weight: 10,
    trigger: Trigger::Alone,
    detector: Detector::Response(|exchange| {
        exchange.answer == Answer::Refused && exchange.history.refused > BURST
    }),
};

/// More attempts than a user who mistypes a password.
const BURST: f32 = 20.0;
