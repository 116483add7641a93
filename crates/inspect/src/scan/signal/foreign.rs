//! A host that the server does not answer for. Who follows an old name lands there too, and may ask
//! for what browsers ask for by themselves.

use http::StatusCode;

use super::{Sign, Signal, Weight};

pub(super) const SIGNAL: Signal = Signal {
    name: "foreign",
    weight: 15,
    counts: Weight::Alone,
    sign: Sign::Answer(|answer| {
        let denial = answer.outcome.denial;
        denial.is_some_and(|denial| denial.status == StatusCode::MISDIRECTED_REQUEST)
    }),
};
