//! A host that the server does not serve. Clients that follow an old name request one, too, and may
//! request assets of it.

use http::StatusCode;

use super::{Detector, Signal, Trigger};

pub(super) const SIGNAL: Signal = Signal {
    name: "foreign",
    weight: 15,
    trigger: Trigger::Alone,
    detector: Detector::Response(|exchange| {
        let denial = exchange.outcome.denial;
        denial.is_some_and(|denial| denial.status == StatusCode::MISDIRECTED_REQUEST)
    }),
};
