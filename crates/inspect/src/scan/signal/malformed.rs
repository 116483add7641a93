//! A head that was denied because two servers would interpret it differently. Browsers send none,
//! except for invalid percent-encoding in a broken link.

use gabion_core::Reason;
use http::StatusCode;

use super::{Detector, Signal, Trigger};

pub(super) const SIGNAL: Signal = Signal {
    name: "malformed",
    weight: 50,
    trigger: Trigger::Alone,
    detector: Detector::Response(|exchange| {
        exchange.outcome.denial.is_some_and(|denial| {
            let malformed = matches!(denial.cause.reason, Reason::Malformed(_));
            let status = matches!(
                denial.status,
                StatusCode::BAD_REQUEST
                    | StatusCode::METHOD_NOT_ALLOWED
                    | StatusCode::NOT_IMPLEMENTED
            );
            malformed || status
        })
    }),
};
