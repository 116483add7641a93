//! Addresses that no client on the internet has.

use std::net::IpAddr;

/// Loopback, and the address that means none.
pub(super) fn is_this_host(addr: IpAddr) -> bool {
    addr.is_loopback() || addr.is_unspecified()
}

/// Where no client of the internet is.
pub(super) fn is_inside(addr: IpAddr) -> bool {
    is_this_host(addr) || is_private(addr)
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
