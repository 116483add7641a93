//! IPv4 addresses in the IPv6 addresses of transition mechanisms.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The IPv4 address in an IPv6 address.
pub(super) struct Embedded {
    pub(super) addr: Ipv4Addr,
    /// `true` if hosts with different IPv4 addresses share the /64 of the IPv6 address.
    pub(super) shares_network: bool,
}

// === impl Embedded ===

impl Embedded {
    /// Finds the IPv4 address of the host that has an IPv6 address by NAT64 (RFC 6052, 2.1: the
    /// well-known prefix), as IPv4-compatible address (RFC 4291, 2.5.5.1), by 6to4 (RFC 3056, 2) or
    /// by Teredo (RFC 4380, 4: with inverted bits).
    pub(super) const fn find(addr: Ipv6Addr) -> Option<Self> {
        let (bits, shares_network) = match addr.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0, 0, high, low] => {
                (join(high, low), true)
            }
            [0x2001, 0, _, _, _, _, high, low] => (!join(high, low), true),
            [0x2002, high, low, ..] => (join(high, low), false),
            _ => return None,
        };
        let addr = Ipv4Addr::from_bits(bits);
        Some(Self {
            addr,
            shares_network,
        })
    }
}

const fn join(high: u16, low: u16) -> u32 {
    (high as u32) << 16 | low as u32
}
