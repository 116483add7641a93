//! Different paths that are not there, three at least, and as many as half of all that the client
//! asks for. In 10,000 lines of a public log that finds five scanners and nobody else.
//!
//! What browsers and pages ask for by themselves does not count ([`super::asset`]), nor does 401 or
//! 403: an application whose session has ended gets those everywhere.

use gabion_core::{Outcome, RequestState};
use http::StatusCode;

use super::{ASSET, Sign, Signal, Weight};

pub(crate) const SIGNAL: Signal = Signal {
    name: "missing",
    weight: 40,
    counts: Weight::Alone,
    sign: Sign::Answer(|answer| {
        let past = answer.past;
        let many = past.missed > PATHS - 0.5 && past.missed * 2.0 >= past.asked;
        answer.news && many && is_one(answer.state, answer.outcome)
    }),
};

/// A little time between them takes half a path off.
const PATHS: f32 = 3.0;

/// Whether the answer says that the path is not there.
pub(crate) fn is_one(state: &RequestState, outcome: &Outcome<'_>) -> bool {
    let status = matches!(
        outcome.status,
        StatusCode::NOT_FOUND
            | StatusCode::GONE
            | StatusCode::BAD_REQUEST
            | StatusCode::METHOD_NOT_ALLOWED
    );
    status && outcome.denial.is_none() && state.signals() & ASSET == 0
}
