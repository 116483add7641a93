//! A request without `User-Agent` or `Accept`, which browsers always send. Some monitors and feed
//! readers omit them, too, so the signal counts only together with another.

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
            let is_missing = agent.is_none_or(HeaderValue::is_empty);
            is_missing || !headers.contains(KnownHeader::Accept)
        },
    },
};
