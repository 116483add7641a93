mod arbiter;
mod ban;
mod crawlers;
mod escalation;
mod list;
mod list_check;
mod many;
mod ranges;
mod table;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, SystemTime},
};

use gabion_core::{ClientIp, ClientRules, Now, PeerAddr};
use http::HeaderMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A client without proxies in front.
fn client(addr: impl Into<IpAddr>) -> ClientIp {
    let peer = PeerAddr::new((addr.into(), 40_000).into());
    ClientRules::default().resolve(peer, &HeaderMap::new())
}

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The time `millis` milliseconds after the start of the clock.
fn at(millis: u64) -> Now {
    let mono = Duration::from_millis(millis);
    Now::new(mono, SystemTime::UNIX_EPOCH + mono)
}

/// Distinct numbers in scattered order: the multiplier is odd.
fn scattered(count: u32) -> impl ExactSizeIterator<Item = u32> {
    (0..count).map(|number| number.wrapping_mul(0x9e37_79b1))
}

fn v4(addr: u32, bits: u8) -> IpNet {
    let net = Ipv4Net::new(Ipv4Addr::from_bits(addr), bits).unwrap();
    net.trunc().into()
}

fn v6(addr: u128, bits: u8) -> IpNet {
    let net = Ipv6Net::new(Ipv6Addr::from_bits(addr), bits).unwrap();
    net.trunc().into()
}
