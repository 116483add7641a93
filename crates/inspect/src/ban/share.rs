//! The share of the internet that a list covers.

use std::{fmt, str::FromStr};

use ipnet::IpNet;

use crate::config::serde_as_text;

/// A share of the addresses in use, from 1 to 100 percent: `"5%"`. Bounds a [`List`](crate::List) in
/// [`BanConfig::max_share`](crate::BanConfig::max_share).
///
/// # Examples
///
/// ```
/// use gabion_inspect::AddressShare;
///
/// let share: AddressShare = "5%".parse()?;
/// assert_eq!(share, AddressShare::BAN_LIST);
/// assert!("0%".parse::<AddressShare>().is_err());
/// assert!("5".parse::<AddressShare>().is_err());
/// # Ok::<(), gabion_inspect::AddressShareError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressShare(u8);

/// The error of a text that is not an [`AddressShare`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid share `{}`: write `1%` to `100%`", gabion_core::Escaped(.0.as_bytes()))]
pub struct AddressShareError(String);

/// The addresses of one family that networks cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coverage {
    family: &'static str,
    covered: u128,
    of: u128,
    /// The widest network of the family, with its line; the first one by address if several are.
    pub(super) widest: Option<(IpNet, u32)>,
}

serde_as_text!(AddressShare, "a share such as \"5%\"");

// === impl AddressShare ===

impl AddressShare {
    /// The default maximum for a ban list: more than all of AWS covers, and less than a typing
    /// error such as `3.0.0.0/3`.
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

    /// The address space of eight /12 blocks, about the space that is assigned to the registries. A
    /// share of all 2¹²⁸ addresses would be close to zero for every list.
    const IPV6: Self = Self::none("the IPv6 in use", 8 << (128 - 12));

    const fn none(family: &'static str, of: u128) -> Self {
        Self {
            family,
            covered: 0,
            of,
            widest: None,
        }
    }

    /// Returns the address families of which `networks` cover more than `most`, counting each
    /// address once.
    ///
    /// # Cost
    ///
    /// Sorts the networks only if the sum of their sizes is larger than `most`.
    pub(super) fn over(
        most: AddressShare,
        networks: impl Iterator<Item = (IpNet, u32)> + Clone,
    ) -> impl Iterator<Item = Self> {
        let exceeds = move |family: &Self| family.covered > family.of / 100 * u128::from(most.0);
        let at_most = Self::sums(networks.clone());
        let exact = at_most.iter().any(exceeds).then(|| {
            let mut networks: Vec<_> = networks.collect();
            networks.sort_unstable();
            networks.dedup_by(|(network, _), (counted, _)| counted.contains(&*network));
            Self::sums(networks.into_iter())
        });
        exact.into_iter().flatten().filter(exceeds)
    }

    /// Adds up the sizes of networks by address family.
    fn sums(networks: impl Iterator<Item = (IpNet, u32)>) -> [Self; 2] {
        let [mut ipv4, mut ipv6] = [Self::IPV4, Self::IPV6];
        for (network, line) in networks {
            match network {
                IpNet::V4(_) => ipv4.add(network, line),
                IpNet::V6(_) => ipv6.add(network, line),
            }
        }
        [ipv4, ipv6]
    }

    fn add(&mut self, network: IpNet, line: u32) {
        let host_bits = network.max_prefix_len() - network.prefix_len();
        let size = 1_u128.checked_shl(host_bits.into()).unwrap_or(u128::MAX);
        self.covered = self.covered.saturating_add(size);
        let order = |(network, line): (IpNet, u32)| (network.prefix_len(), network, line);
        if self
            .widest
            .is_none_or(|widest| order((network, line)) < order(widest))
        {
            self.widest = Some((network, line));
        }
    }
}

/// Writes the percentage with one decimal, and the address family.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let permille = self.covered / (self.of / 1000);
        let (percent, tenth) = (permille / 10, permille % 10);
        write!(f, "{percent}.{tenth}% of {}", self.family)
    }
}
