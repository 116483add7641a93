//! A request without `User-Agent` or without `Accept`, which browsers always send. So do some
//! monitors and feed readers leave them out: it counts only along with something else.

use http::{
    HeaderValue,
    header::{ACCEPT, USER_AGENT},
};

use super::{Sign, Signal, Weight};

pub(super) const SIGNAL: Signal = Signal {
    name: "bare",
    weight: 10,
    counts: Weight::Along,
    sign: Sign::Head {
        own: false,
        seen: |look| {
            let facts = look.facts;
            let agent = facts.headers.get(USER_AGENT);
            let silent = agent.is_none_or(HeaderValue::is_empty);
            silent || !facts.headers.contains_key(ACCEPT)
        },
    },
};
