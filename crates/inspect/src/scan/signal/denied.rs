//! A request denied by a deny rule. An outdated link may lead to such a path, so the signal weighs
//! less than a known probe.

use gabion_core::Reason;

use super::{Detector, Signal, Trigger};

pub(super) const SIGNAL: Signal = Signal {
    name: "denied",
    weight: 25,
    trigger: Trigger::Alone,
    detector: Detector::Response(|exchange| {
        let reason = exchange.outcome.denial.map(|denial| &denial.cause.reason);
        matches!(
            reason,
            Some(
                Reason::ExactPath
                    | Reason::Prefix
                    | Reason::Name
                    | Reason::Extension
                    | Reason::Regex
                    | Reason::Agent
            )
        )
    }),
};
