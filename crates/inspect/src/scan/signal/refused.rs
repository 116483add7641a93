//! A burst of modifying requests that the service answers with 401 or 403, as in password guessing.
//! Read requests do not count: a page whose session has ended retries them by itself.

use gabion_core::{Outcome, RequestState};
use http::{Method, StatusCode};

use super::{Detector, Signal, Trigger};

pub(crate) const SIGNAL: Signal = Signal {
    name: "refused",
    weight: 10,
    trigger: Trigger::Alone,
    detector: Detector::Response(|exchange| {
        exchange.is_new
            && exchange.history.refused > BURST
            && is_refused(exchange.state, exchange.outcome)
    }),
};

/// More attempts than a user who mistypes a password.
const BURST: f32 = 20.0;

/// Returns `true` if the service refused a modifying request.
pub(crate) fn is_refused(state: &RequestState, outcome: &Outcome<'_>) -> bool {
    let is_read = matches!(
        *state.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let is_denied = matches!(
        outcome.status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
    );
    is_denied && !is_read && outcome.denial.is_none()
}
