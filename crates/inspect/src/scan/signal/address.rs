//! A `Host` that is an IP address, as in scans of address ranges. Health checks of load balancers
//! have one, too, so the signal counts only together with another.

use std::net::IpAddr;

use super::{Detector, Signal, Trigger};

pub(super) const SIGNAL: Signal = Signal {
    name: "address",
    weight: 10,
    trigger: Trigger::Combined,
    detector: Detector::Head {
        certain: false,
        matches: |features| {
            let facts = features.facts;
            facts.host().is_some_and(is_address)
        },
    },
};

fn is_address(host: &[u8]) -> bool {
    match host.first() {
        Some(b'[') => true,
        Some(b'0'..=b'9') => {
            let name = host.split(|&byte| byte == b':').next().unwrap_or_default();
            str::from_utf8(name).is_ok_and(|name| name.parse::<IpAddr>().is_ok())
        }
        _ => false,
    }
}
