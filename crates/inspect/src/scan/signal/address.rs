//! A `Host` that is an IP address, as in scans of address ranges. Health checks of load balancers
//! have one, too, so the signal counts only together with another.

use std::net::IpAddr;

use http::{header::HOST, uri::Authority};

use super::{Detector, Signal, Trigger};

pub(super) const SIGNAL: Signal = Signal {
    name: "address",
    weight: 10,
    trigger: Trigger::Combined,
    detector: Detector::Head {
        certain: false,
        matches: |features| {
            let facts = features.facts;
            let authority = facts.uri.authority().map(Authority::as_str);
            let host = || facts.headers.get(HOST)?.to_str().ok();
            authority.or_else(host).is_some_and(is_address)
        },
    },
};

fn is_address(host: &str) -> bool {
    let may_be = host.starts_with('[') || host.starts_with(|first: char| first.is_ascii_digit());
    let name = host.split_once(':').map_or(host, |(name, _port)| name);
    may_be && (host.starts_with('[') || name.parse::<IpAddr>().is_ok())
}
