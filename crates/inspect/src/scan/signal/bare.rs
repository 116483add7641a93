//! A request without `User-Agent`, or with that of a browser but without `Accept` or `Accept-Language`,
//! which browsers always send. Some monitors and feed readers do so, too, so the signal counts only
//! together with another.

use gabion_core::KnownHeader;
use http::HeaderValue;

use super::{Detector, Signal, Trigger};

pub(super) const SIGNAL: Signal = Signal {
    name: "bare",
    weight: 10,
    trigger: Trigger::Combined,
    detector: Detector::Head {
        certain: false,
        matches: |features| {
            let headers = &features.facts.index;
            let agent = headers.first(KnownHeader::UserAgent);
            let has_all = headers.contains(KnownHeader::Accept)
                && headers.contains(KnownHeader::AcceptLanguage);
            agent.is_none_or(HeaderValue::is_empty) || features.agents.browser && !has_all
        },
    },
};
