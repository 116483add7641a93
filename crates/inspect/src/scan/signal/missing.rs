//! Missing paths: at least three different ones, and at least half of all requests of the client.
//! In 10,000 lines of a public log, the signal matches five scanners and no other client.
//!
//! Assets ([`super::asset`]) do not count, and neither do 401 and 403, which an application returns
//! for every path after its session has ended.

use gabion_core::Outcome;
use http::StatusCode;

use super::{super::exchange::ASSET, Detector, Signal, Trigger};

pub(crate) const SIGNAL: Signal = Signal {
    name: "missing",
    weight: 40,
    trigger: Trigger::Alone,
    detector: Detector::Response(|exchange| {
        let history = exchange.history;
        let are_many = history.missing > PATHS - 0.5 && history.missing * 2.0 >= history.requests;
        exchange.is_new && are_many && is_missing(exchange.signals, exchange.outcome)
    }),
};

/// Half a path is subtracted for decay between the requests.
const PATHS: f32 = 3.0;

/// Returns `true` if the response means that the path does not exist.
pub(crate) fn is_missing(signals: u64, outcome: &Outcome<'_>) -> bool {
    let status = matches!(
        outcome.status,
        StatusCode::NOT_FOUND
            | StatusCode::GONE
            | StatusCode::BAD_REQUEST
            | StatusCode::METHOD_NOT_ALLOWED
    );
    status && outcome.denial.is_none() && signals & ASSET == 0
}
