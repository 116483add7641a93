//! How much of the internet a list covers.

use std::{fmt, str::FromStr};

use gabion_core::ClientRules;
use ipnet::IpNet;

use super::List;
use crate::config::serde_as_text;

/// A part of a whole in percent, from 1 to 100: `"5%"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressShare(u8);

/// Why a text is no share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no share such as 5%: write 1% to 100%", gabion_core::Escaped(.0.as_bytes()))]
pub struct AddressShareError(String);

/// What a list covers of the addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coverage {
    family: &'static str,
    covered: u128,
    of: u128,
    /// The widest network of the family, with its line.
    pub(super) widest: Option<(IpNet, u32)>,
}

serde_as_text!(AddressShare, "a share such as \"5%\"");

// === impl Share ===

impl AddressShare {
    /// What a ban list may cover unless the document says otherwise: all of AWS is less, and a
    /// slip such as `3.0.0.0/3` is more.
    pub const BAN_LIST: Self = Self(5);
}

impl FromStr for AddressShare {
    type Err = AddressShareError;

    fn from_str(text: &str) -> Result<Self, AddressShareError> {
        let percent = text.strip_suffix('%');
        match percent.map(str::parse) {
            Some(Ok(percent @ 1..=100)) => Ok(Self(percent)),
            _ => Err(AddressShareError(text.to_owned())),
        }
    }
}

impl fmt::Display for AddressShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

// === impl Coverage ===

impl Coverage {
    const IPV4: Self = Self::none("IPv4", 1 << 32);

    /// The registries have been given some eight blocks of /12; a share of all 2¹²⁸ addresses
    /// would tell nothing.
    const IPV6: Self = Self::none("the IPv6 in use", 8 << (128 - 12));

    const fn none(family: &'static str, of: u128) -> Self {
        Self {
            family,
            covered: 0,
            of,
            widest: None,
        }
    }

    /// What `list` covers of IPv4 and of IPv6 outside private space, each address once.
    pub(super) fn new(list: &List) -> [Self; 2] {
        let mut families = [Self::IPV4, Self::IPV6];
        let public = |(network, _): &(IpNet, u32)| !ClientRules::is_inside(*network);
        let mut networks: Vec<_> = list.networks().filter(public).collect();
        networks.sort_unstable();
        let mut counted: Option<IpNet> = None;
        for (network, line) in networks {
            if counted.is_some_and(|wider| wider.contains(&network)) {
                continue;
            }
            counted = Some(network);
            let [of_v4, of_v6] = &mut families;
            match network {
                IpNet::V4(_) => of_v4.add(network, line),
                IpNet::V6(_) => of_v6.add(network, line),
            }
        }
        families
    }

    pub(super) fn exceeds(&self, most: AddressShare) -> bool {
        self.covered > self.of / 100 * u128::from(most.0)
    }

    /// Adds a network that shares no address with those before it.
    fn add(&mut self, network: IpNet, line: u32) {
        let host_bits = network.max_prefix_len() - network.prefix_len();
        let size = 1_u128.checked_shl(host_bits.into()).unwrap_or(u128::MAX);
        self.covered = self.covered.saturating_add(size);
        let wider = |(widest, _): (IpNet, u32)| network.prefix_len() < widest.prefix_len();
        if self.widest.is_none_or(wider) {
            self.widest = Some((network, line));
        }
    }
}

/// In percent, with one digit behind the point.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let permille = self.covered / (self.of / 1000);
        let (percent, tenth) = (permille / 10, permille % 10);
        write!(f, "{percent}.{tenth}% of {}", self.family)
    }
}
