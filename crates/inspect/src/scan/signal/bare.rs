//! A request without `User-Agent` or `Accept`, which browsers always send. Some monitors and feed
//! readers omit them, too, so the signal counts only together with another.

use http::{
    HeaderValue,
    header::{ACCEPT, USER_AGENT},
};

use super::{Detector, Signal, Trigger};

pub(super) const SIGNAL: Signal = Signal {
    name: "bare",
    weight: 10,
    trigger: Trigger::Combined,
    detector: Detector::Head {
        certain: false,
        matches: |features| {
            let facts = features.facts;
            let agent = facts.headers.get(USER_AGENT);
            let is_missing = agent.is_none_or(HeaderValue::is_empty);
            is_missing || !facts.headers.contains_key(ACCEPT)
        },
    },
};
