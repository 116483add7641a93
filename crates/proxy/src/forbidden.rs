//! Addresses that are never an upstream.
//!
//! They answer every process on this machine, most of them with the machine's credentials. A host
//! name that resolves to one, by mistake or by an attack, would offer those credentials to every
//! client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The AWS metadata service on IPv6, and the EKS agent that issues a pod's credentials.
const AWS: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
];

/// The Alibaba Cloud metadata service, which is not link-local.
const ALIBABA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);

/// The Azure platform service for virtual machines, which hands out their certificates among other
/// data.
const AZURE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// An address that is never an [`Upstream`](crate::Upstream), with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{addr} is not allowed as an upstream: {reason}")]
pub struct ForbiddenAddress {
    addr: IpAddr,
    reason: &'static str,
}

// === impl ForbiddenAddress ===

impl ForbiddenAddress {
    /// Returns an error value if `addr` is forbidden. An IPv4 address inside an IPv6 one
    /// (`::ffff:169.254.169.254`) counts as that IPv4 address.
    pub(crate) fn check(addr: IpAddr) -> Option<Self> {
        reason(addr.to_canonical()).map(|reason| Self { addr, reason })
    }

    /// An address on which this process itself listens.
    pub(crate) const fn own(addr: IpAddr) -> Self {
        let reason = "this proxy itself listens on it";
        Self { addr, reason }
    }

    /// Returns the address.
    pub const fn addr(&self) -> IpAddr {
        self.addr
    }
}

fn reason(addr: IpAddr) -> Option<&'static str> {
    match addr {
        // 169.254.169.254 on AWS, Azure, Google Cloud and others; 169.254.170.2 in AWS containers.
        IpAddr::V4(addr) if addr.is_link_local() => {
            Some("it is link-local, as cloud metadata services are (169.254.0.0/16, RFC 3927)")
        }
        IpAddr::V6(addr) if addr.is_unicast_link_local() => {
            Some("it is link-local (fe80::/10, RFC 4291, 2.5.6)")
        }
        IpAddr::V6(addr) if AWS.contains(&addr) => Some("it is an AWS metadata service"),
        IpAddr::V4(ALIBABA) => Some("it is the Alibaba Cloud metadata service"),
        IpAddr::V4(AZURE) => Some("it is the Azure platform service for virtual machines"),
        addr if addr.is_multicast() => Some("it is a multicast address"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_link_local_and_multicast_addresses_are_forbidden() {
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
