//! Validation of ban lists before they are used.
//!
//! A wrong ban is worse than a missed one.

use std::{
    array,
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use gabion_core::{ClientRules, Protected};
use ipnet::IpNet;

use super::{AddressShare, List, share::Coverage};

/// The reason why a ban list fails its [`ListCheck`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListRejection {
    /// A network of the list contains a network of the allowlist.
    #[error("`{network}` covers `{safe}`, which is in [allow]")]
    CoversAllowed {
        /// The network of the list.
        network: IpNet,
        /// The network of the allowlist.
        safe: IpNet,
    },
    /// A network of the list contains an address that is never banned.
    #[error("`{network}` would ban {protected}")]
    HitsProtected {
        /// The network of the list.
        network: IpNet,
        /// The kind of protected address.
        protected: Protected,
    },
    /// The list covers too large a share of the internet.
    #[error("the list covers {coverage} (widest network: `{widest}`), over the limit of {most}")]
    TooWide {
        /// The share that the list covers, with the address family.
        coverage: String,
        /// The largest share allowed ([`BanConfig::max_share`](crate::BanConfig::max_share)).
        most: AddressShare,
        /// The widest network of the list.
        widest: IpNet,
    },
}

/// Validates ban lists against the allowlist, protected addresses and a maximum share of the
/// internet.
///
/// A [`List`] passes if
/// 1. none of its networks contains a network of the allowlist,
/// 2. none of them contains an address that [`ClientRules`] protect (trusted proxies, this host,
///    private space), and
/// 3. all of them together cover at most the given [`AddressShare`] of the addresses in use, for
///    IPv4 and for IPv6 each.
///
/// A ban of a part of an allowed network passes, since the allowlist is evaluated before bans.
///
/// # Examples
///
/// ```
/// use gabion_core::ClientRules;
/// use gabion_inspect::{AddressShare, List, ListCheck};
///
/// let clients = ClientRules::default();
/// let allow = ["203.0.113.63/32".parse().unwrap()];
/// let check = ListCheck::new(&clients, allow, AddressShare::BAN_LIST);
///
/// let list = List::parse("drop.netset", "192.0.2.0/24")?;
/// assert!(check.problems(&list).is_empty());
///
/// let list = List::parse("drop.netset", "192.0.2.0/24\n203.0.113.0/24")?;
/// let (line, rejection) = &check.problems(&list)[0];
/// assert_eq!(*line, 2);
/// assert_eq!(rejection.to_string(), "`203.0.113.0/24` covers `203.0.113.63/32`, which is in [allow]");
/// # Ok::<(), gabion_inspect::ListError>(())
/// ```
#[derive(Debug)]
pub struct ListCheck<'r> {
    clients: &'r ClientRules,
    safe: BTreeSet<IpNet>,
    most: AddressShare,
    special: LeadingBytes,
}

/// The leading bytes of special addresses: allowed, protected or private ones. Few networks of a
/// list share one of them, and the others need no comparison with each special network.
#[derive(Debug)]
struct LeadingBytes {
    v4: [bool; 256],
    v6: [bool; 256],
}

// === impl ListCheck ===

impl<'r> ListCheck<'r> {
    /// Creates a check against the allowed networks `safe`, the addresses that `clients` protect,
    /// and the maximum share `most`.
    pub fn new(
        clients: &'r ClientRules,
        safe: impl IntoIterator<Item = IpNet>,
        most: AddressShare,
    ) -> Self {
        let safe = safe.into_iter().collect();
        let without_rules = ClientRules::default();
        let special = LeadingBytes::new(|network| {
            clients.protects(network).is_some()
                || without_rules.protects(network).is_some()
                || safe_within(&safe, network).is_some()
        });
        Self {
            clients,
            safe,
            most,
            special,
        }
    }

    /// Returns the rejections of `list`, the first of each kind, with line numbers.
    ///
    /// # Cost
    ///
    /// Looks up each network that shares its leading byte with an allowed, a protected or a private
    /// network in the allowlist, and compares it with each trusted proxy. Sorts the networks if the
    /// sum of their sizes is over the maximum share.
    pub fn problems(&self, list: &List) -> Vec<(u32, ListRejection)> {
        let covers = |(network, line)| {
            let safe = safe_within(&self.safe, network)?;
            Some((line, ListRejection::CoversAllowed { network, safe }))
        };
        let hits = |(network, line)| {
            let protected = self.clients.protects(network)?;
            Some((line, ListRejection::HitsProtected { network, protected }))
        };
        let too_wide = |coverage: Coverage| {
            let (widest, line) = coverage.widest?;
            let rejection = ListRejection::TooWide {
                coverage: coverage.to_string(),
                most: self.most,
                widest,
            };
            Some((line, rejection))
        };
        let may_be_special = |(network, _): &(IpNet, u32)| self.special.may_overlap(*network);
        let is_public =
            |entry: &(IpNet, u32)| !may_be_special(entry) || !ClientRules::is_inside(entry.0);
        let special = list.networks().filter(may_be_special);
        let covers = special.clone().find_map(covers);
        let hits = special.clone().find_map(hits);
        let over = Coverage::over(self.most, list.networks().filter(is_public));
        let found = covers.into_iter().chain(hits);
        found.chain(over.filter_map(too_wide)).collect()
    }
}

/// Returns a network of the allowlist `safe` that lies in `network`.
///
/// Networks are ordered by address, then wider ones first, so that the first one from `network` on
/// lies in it if any does.
fn safe_within(safe: &BTreeSet<IpNet>, network: IpNet) -> Option<IpNet> {
    let next = safe.range(network..).next().copied();
    next.filter(|safe| network.contains(safe))
}

// === impl LeadingBytes ===

impl LeadingBytes {
    /// Collects the bytes for which `is_special` returns `true`, given the network of each.
    fn new(is_special: impl Fn(IpNet) -> bool) -> Self {
        let holds = |addr: IpAddr| IpNet::new(addr, 8).is_ok_and(&is_special);
        let byte = |index| u8::try_from(index).unwrap_or(u8::MAX);
        let v4 = |index| Ipv4Addr::new(byte(index), 0, 0, 0).into();
        let v6 = |index| Ipv6Addr::from_bits(u128::from(byte(index)) << 120).into();
        Self {
            v4: array::from_fn(|index| holds(v4(index))),
            v6: array::from_fn(|index| holds(v6(index))),
        }
    }

    /// Returns `false` if `network` shares no address with a special network.
    fn may_overlap(&self, network: IpNet) -> bool {
        let (special, leading) = match network.addr() {
            IpAddr::V4(addr) => (&self.v4, addr.octets()[0]),
            IpAddr::V6(addr) => (&self.v6, addr.octets()[0]),
        };
        network.prefix_len() < 8
            || special
                .get(usize::from(leading))
                .is_none_or(|special| *special)
    }
}
