//! A `Host` that is an address: who sweeps networks knows no names. Balancers that ask whether the
//! server is well do so too, so that it counts only along with something else.

use std::net::IpAddr;

use http::{header::HOST, uri::Authority};

use super::{Sign, Signal, Weight};

pub(super) const SIGNAL: Signal = Signal {
    name: "address",
    weight: 10,
    counts: Weight::Along,
    sign: Sign::Head {
        own: false,
        seen: |look| {
            let facts = look.facts;
            let asked = facts.uri.authority().map(Authority::as_str);
            let told = || facts.headers.get(HOST)?.to_str().ok();
            asked.or_else(told).is_some_and(is_address)
        },
    },
};

fn is_address(host: &str) -> bool {
    let begins = host.starts_with('[') || host.starts_with(|first: char| first.is_ascii_digit());
    let name = host.split_once(':').map_or(host, |(name, _port)| name);
    begins && (host.starts_with('[') || name.parse::<IpAddr>().is_ok())
}
