//! Addresses that are never an upstream.
//!
//! They answer whoever asks from this machine, most with the credentials it runs under. A name that
//! came to resolve to one, by mistake or by someone else's hand, would offer them to every client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The metadata service of AWS on IPv6, and the agent there that hands out the credentials of a pod.
const AWS: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
];

/// The metadata service of Alibaba Cloud, which is not link-local.
const ALIBABA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);

/// What Azure tells its virtual machines, their certificates among it.
const AZURE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// An address that is never an upstream, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{addr} is never an upstream: {reason}")]
pub struct ForbiddenAddress {
    addr: IpAddr,
    reason: &'static str,
}

// === impl ForbiddenAddress ===

impl ForbiddenAddress {
    /// Whether `addr` is one; an IPv4 address counts as what it is in an IPv6 one too
    /// (`::ffff:169.254.169.254`).
    pub(crate) fn check(addr: IpAddr) -> Option<Self> {
        reason(addr.to_canonical()).map(|reason| Self { addr, reason })
    }

    /// The address.
    pub const fn addr(&self) -> IpAddr {
        self.addr
    }
}

fn reason(addr: IpAddr) -> Option<&'static str> {
    match addr {
        // 169.254.169.254 on AWS, Azure, Google Cloud and others; 169.254.170.2 in AWS's containers.
        IpAddr::V4(addr) if addr.is_link_local() => {
            Some("a link-local address, as metadata services have (169.254.0.0/16, RFC 3927)")
        }
        IpAddr::V6(addr) if addr.is_unicast_link_local() => {
            Some("a link-local address (fe80::/10, RFC 4291, 2.5.6)")
        }
        IpAddr::V6(addr) if AWS.contains(&addr) => Some("a metadata service of AWS"),
        IpAddr::V4(ALIBABA) => Some("the metadata service of Alibaba Cloud"),
        IpAddr::V4(AZURE) => Some("Azure's service for its virtual machines"),
        addr if addr.is_multicast() => Some("a multicast address"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_links_are_forbidden_and_the_rest_is_not() {
        for (addr, expected) in [
            ("169.254.169.254", "link-local"),
            ("169.254.170.2", "link-local"),
            ("169.254.0.0", "link-local"),
            ("169.254.255.255", "link-local"),
            ("::ffff:169.254.169.254", "link-local"),
            ("fe80::1", "link-local"),
            ("febf::a9fe:a9fe", "link-local"),
            ("fd00:ec2::254", "AWS"),
            ("fd00:ec2::23", "AWS"),
            ("100.100.100.200", "Alibaba"),
            ("::ffff:100.100.100.200", "Alibaba"),
            ("168.63.129.16", "Azure"),
            ("::ffff:168.63.129.16", "Azure"),
            ("224.0.0.1", "multicast"),
            ("ff02::1", "multicast"),
            ("::ffff:239.1.2.3", "multicast"),
            ("127.0.0.1", ""),
            ("::1", ""),
            ("10.0.0.1", ""),
            ("172.17.0.2", ""),
            ("192.168.1.10", ""),
            ("100.64.0.1", ""),
            ("100.100.100.201", ""),
            ("168.63.129.17", ""),
            ("169.253.255.255", ""),
            ("169.255.0.0", ""),
            ("203.0.113.9", ""),
            ("fd00:ec2::253", ""),
            ("fd12:3456::1", ""),
            ("fec0::1", ""),
            ("2001:db8::1", ""),
            ("::ffff:10.0.0.1", ""),
        ] {
            let found = ForbiddenAddress::check(addr.parse().unwrap());
            let found = found.map_or_else(String::new, |forbidden| forbidden.to_string());
            assert_eq!(found.is_empty(), expected.is_empty(), "{addr}: {found}");
            assert!(found.contains(expected), "{addr}: {found}");
            assert!(
                found.is_empty() || found.starts_with(addr),
                "{addr}: {found}"
            );
        }
    }
}
