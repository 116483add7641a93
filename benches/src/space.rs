//! Networks as lists of attackers have them.

use std::{
    collections::HashSet,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

use crate::Numbers;

/// Where networks are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "benches go through all")]
pub enum Space {
    /// Half are single addresses, a third /24.
    V4,
    /// The same, in the 64 bits that are routed.
    V6,
    /// Most in a few of the networks that registries hand out.
    V6Crowded,
    /// Single addresses, crowded alike.
    V6Hosts,
}

// === impl Space ===

impl Space {
    /// Of a hundred networks, how many have which length.
    const fn lengths(self) -> &'static [(u8, usize)] {
        match self {
            Self::V4 => &[(32, 50), (24, 35), (22, 10), (20, 4), (16, 1)],
            Self::V6 => &[(64, 50), (48, 35), (44, 10), (40, 4), (32, 1)],
            Self::V6Crowded => &[(64, 50), (48, 35), (44, 10), (40, 5)],
            Self::V6Hosts => &[(128, 100)],
        }
    }

    /// So many different networks.
    pub fn networks(self, count: usize, numbers: &mut Numbers) -> Vec<IpNet> {
        let mut known = HashSet::new();
        let mut networks = Vec::with_capacity(count);
        while networks.len() < count {
            let mut left = numbers.below(100);
            let among = |&&(_, share): &&(u8, usize)| {
                let found = left < share;
                left = left.saturating_sub(share);
                found
            };
            let Some((bits, _)) = self.lengths().iter().find(among) else {
                continue;
            };
            let Ok(network) = IpNet::new(self.addr(numbers), *bits) else {
                continue;
            };
            if known.insert(network.trunc()) {
                networks.push(network.trunc());
            }
        }
        networks
    }

    /// Any address of the space, or of its crowded parts.
    pub fn addr(self, numbers: &mut Numbers) -> IpAddr {
        let unicast = |wide: u128| wide >> 3 | 1 << 125;
        match self {
            Self::V4 => {
                let [.., a, b, c, d] = numbers.next().to_be_bytes();
                Ipv4Addr::new(a, b, c, d).into()
            }
            Self::V6 => Ipv6Addr::from_bits(unicast(numbers.wide())).into(),
            Self::V6Crowded | Self::V6Hosts => {
                // A few of 20,000 /32 are drawn most of the time; all are in five /12.
                let provider = numbers.below(20_000) * numbers.below(20_000) / 20_000;
                let mut fixed = Numbers::of(provider as u64 + 1);
                let mut region = Numbers::of(provider as u64 % 5 + 1);
                let parts = [
                    (region.wide(), 12),
                    (fixed.wide(), 20),
                    (numbers.wide(), 96),
                ];
                let joined = parts
                    .iter()
                    .fold(0, |addr, (wide, bits)| addr << bits | wide >> (128 - bits));
                Ipv6Addr::from_bits(unicast(joined)).into()
            }
        }
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
            Self::V6Crowded => "IPv6, crowded",
            Self::V6Hosts => "IPv6, crowded single addresses",
        })
    }
}

/// The address of `network` that ends as `addr` does.
///
/// # Panics
///
/// Where they are of different families.
pub fn within(network: IpNet, addr: IpAddr) -> IpAddr {
    match (network, addr) {
        (IpNet::V4(network), IpAddr::V4(addr)) => {
            (network.network() | (network.hostmask() & addr)).into()
        }
        (IpNet::V6(network), IpAddr::V6(addr)) => {
            (network.network() | (network.hostmask() & addr)).into()
        }
        _ => unreachable!("both are of one family"),
    }
}
