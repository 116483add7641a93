//! A burst of attempts to change something that the service answers with 401 or 403: passwords are
//! tried. Reading does not count: a page whose session has ended asks again by itself.

use gabion_core::{Outcome, RequestState};
use http::{Method, StatusCode};

use super::{Sign, Signal, Weight};

pub(crate) const SIGNAL: Signal = Signal {
    name: "refused",
    weight: 10,
    counts: Weight::Alone,
    sign: Sign::Answer(|answer| {
        answer.news && answer.past.refused > BURST && is_one(answer.state, answer.outcome)
    }),
};

/// Nobody mistypes a password so often.
const BURST: f32 = 20.0;

/// Whether the service refused to change something.
pub(crate) fn is_one(state: &RequestState, outcome: &Outcome<'_>) -> bool {
    let message_kinds = matches!(
        *state.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let refused = matches!(
        outcome.status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
    );
    refused && !message_kinds && outcome.denial.is_none()
}
