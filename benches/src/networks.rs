//! Random networks and addresses, distributed as in published attacker lists.

use std::{
    collections::HashSet,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

use crate::Rng;

/// A distribution of random networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "benches go through all")]
pub enum AddressSpace {
    /// IPv4: half are single addresses, a third /24.
    V4,
    /// IPv6, distributed as [`AddressSpace::V4`] within the 64 bits of the routing prefix.
    V6,
    /// IPv6 networks, most of them in a few of the networks that registries allocate.
    V6Crowded,
    /// Single IPv6 addresses, distributed as [`AddressSpace::V6Crowded`].
    V6Hosts,
}

// === impl AddressSpace ===

impl AddressSpace {
    /// Prefix lengths and their shares, in percent.
    const fn lengths(self) -> &'static [(u8, usize)] {
        match self {
            Self::V4 => &[(32, 50), (24, 35), (22, 10), (20, 4), (16, 1)],
            Self::V6 => &[(64, 50), (48, 35), (44, 10), (40, 4), (32, 1)],
            Self::V6Crowded => &[(64, 50), (48, 35), (44, 10), (40, 5)],
            Self::V6Hosts => &[(128, 100)],
        }
    }

    /// Generates `count` distinct networks.
    pub fn networks(self, count: usize, rng: &mut Rng) -> Vec<IpNet> {
        let mut known = HashSet::new();
        let mut networks = Vec::with_capacity(count);
        while networks.len() < count {
            let mut left = rng.below(100);
            let among = |&&(_, share): &&(u8, usize)| {
                let found = left < share;
                left = left.saturating_sub(share);
                found
            };
            let Some((bits, _)) = self.lengths().iter().find(among) else {
                continue;
            };
            let Ok(network) = IpNet::new(self.addr(rng), *bits) else {
                continue;
            };
            if known.insert(network.trunc()) {
                networks.push(network.trunc());
            }
        }
        networks
    }

    /// Generates a random address of the distribution.
    pub fn addr(self, rng: &mut Rng) -> IpAddr {
        let unicast = |wide: u128| wide >> 3 | 1 << 125;
        match self {
            Self::V4 => {
                let [.., a, b, c, d] = rng.next_u64().to_be_bytes();
                Ipv4Addr::new(a, b, c, d).into()
            }
            Self::V6 => Ipv6Addr::from_bits(unicast(rng.next_u128())).into(),
            Self::V6Crowded | Self::V6Hosts => {
                // 20,000 networks of length /32 within five /12. A product of two random numbers makes
                // low numbers frequent, so that most addresses fall into a few /32.
                let provider = rng.below(20_000) * rng.below(20_000) / 20_000;
                let mut fixed = Rng::new(provider as u64 + 1);
                let mut region = Rng::new(provider as u64 % 5 + 1);
                let parts = [
                    (region.next_u128(), 12),
                    (fixed.next_u128(), 20),
                    (rng.next_u128(), 96),
                ];
                let joined = parts
                    .iter()
                    .fold(0, |addr, (wide, bits)| addr << bits | wide >> (128 - bits));
                Ipv6Addr::from_bits(unicast(joined)).into()
            }
        }
    }
}

impl fmt::Display for AddressSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
            Self::V6Crowded => "IPv6, crowded",
            Self::V6Hosts => "IPv6, crowded single addresses",
        })
    }
}

/// Moves `addr` into `network`: the network's prefix, the host bits of `addr`.
///
/// # Panics
///
/// If `network` and `addr` are of different families.
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
