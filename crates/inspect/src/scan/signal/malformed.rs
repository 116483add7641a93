//! A head that two servers would read differently, refused as such. Browsers send none; a broken
//! link may hold a bad escape.

use gabion_core::Reason;
use http::StatusCode;

use super::{Sign, Signal, Weight};
use crate::protocol::HONEST;

pub(super) const SIGNAL: Signal = Signal {
    name: "malformed",
    weight: 50,
    counts: Weight::Alone,
    sign: Sign::Answer(|answer| {
        answer.outcome.denial.is_some_and(|denial| {
            let malformed = matches!(denial.cause.reason, Reason::Malformed(_));
            let honest = HONEST.contains(&denial.cause.rule.as_str());
            malformed
                || !honest
                    && matches!(
                        denial.status,
                        StatusCode::BAD_REQUEST
                            | StatusCode::METHOD_NOT_ALLOWED
                            | StatusCode::NOT_IMPLEMENTED
                    )
        })
    }),
};
