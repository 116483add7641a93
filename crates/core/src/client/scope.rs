//! Address ranges that no client on the internet has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

const THIS_HOST: [IpNet; 4] = [
    v4(8, [127, 0, 0, 0]),
    v4(32, [0, 0, 0, 0]),
    v6(128, Ipv6Addr::LOCALHOST),
    v6(128, Ipv6Addr::UNSPECIFIED),
];

const PRIVATE: [IpNet; 7] = [
    v4(8, [10, 0, 0, 0]),
    v4(12, [172, 16, 0, 0]),
    v4(16, [192, 168, 0, 0]),
    v4(16, [169, 254, 0, 0]),
    v4(10, [100, 64, 0, 0]),
    v6(7, Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)),
    v6(10, Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)),
];

/// Loopback and the unspecified address.
pub(super) fn is_this_host(addr: IpAddr) -> bool {
    addr.is_loopback() || addr.is_unspecified()
}

/// Returns `true` for addresses that no client on the internet has.
pub(super) fn is_inside(addr: IpAddr) -> bool {
    is_this_host(addr) || is_private(addr)
}

/// Returns `true` for addresses that a host on the internet can have: not reserved (RFC 6890), not
/// multicast, and not [inside](is_inside).
pub(super) fn is_public(addr: Ipv4Addr) -> bool {
    let [first, ..] = addr.octets();
    (1..224).contains(&first) && !is_inside(addr.into())
}

/// Private (RFC 1918), shared (RFC 6598), link-local and unique-local space.
pub(super) fn is_private(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => {
            let [a, b, ..] = addr.octets();
            addr.is_private() || addr.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(addr) => addr.is_unique_local() || addr.is_unicast_link_local(),
    }
}

/// Returns `true` if any address of `network` belongs to this host.
pub(super) fn holds_this_host(network: &IpNet) -> bool {
    THIS_HOST.iter().any(|own| overlap(own, network))
}

/// Returns `true` if any address of `network` is private.
pub(super) fn holds_private(network: &IpNet) -> bool {
    PRIVATE.iter().any(|private| overlap(private, network))
}

/// Returns `true` if no address of `network` can be a client on the internet.
pub(super) fn is_all_inside(network: &IpNet) -> bool {
    let mut inside = THIS_HOST.iter().chain(&PRIVATE);
    inside.any(|inside| inside.contains(network))
}

/// Returns `true` if the networks share an address; then one contains the other.
pub(super) fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

const fn v4(bits: u8, [a, b, c, d]: [u8; 4]) -> IpNet {
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits)
}

const fn v6(bits: u8, addr: Ipv6Addr) -> IpNet {
    IpNet::new_assert(IpAddr::V6(addr), bits)
}
