//! A path or agent that a deny rule refused. An old link may lead there too, so that it weighs less
//! than a known probe.

use gabion_core::Reason;

use super::{Sign, Signal, Weight};

pub(super) const SIGNAL: Signal = Signal {
    name: "denied",
    weight: 25,
    counts: Weight::Alone,
    sign: Sign::Answer(|answer| {
        let reason = answer.outcome.denial.map(|denial| &denial.cause.reason);
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
