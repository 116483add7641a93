//! Validation of ban lists before they are used.
//!
//! A wrong ban is worse than a missed one.

use std::collections::BTreeSet;

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
        Self {
            clients,
            safe: safe.into_iter().collect(),
            most,
        }
    }

    /// Returns the rejections of `list`, the first of each kind, with line numbers.
    ///
    /// # Cost
    ///
    /// Sorts the networks, looks each up in the allowlist, and compares it with each trusted proxy.
    pub fn problems(&self, list: &List) -> Vec<(u32, ListRejection)> {
        let covers = |(network, line)| {
            let safe = self.safe_within(network)?;
            Some((line, ListRejection::CoversAllowed { network, safe }))
        };
        let hits = |(network, line)| {
            let protected = self.clients.protects(network)?;
            Some((line, ListRejection::HitsProtected { network, protected }))
        };
        let too_wide = |coverage: Coverage| {
            let most = self.most;
            let (widest, line) = coverage.widest.filter(|_| coverage.exceeds(most))?;
            let coverage = coverage.to_string();
            Some((
                line,
                ListRejection::TooWide {
                    coverage,
                    most,
                    widest,
                },
            ))
        };
        let covers = list.networks().find_map(covers);
        let hits = list.networks().find_map(hits);
        let found = covers.into_iter().chain(hits);
        found
            .chain(Coverage::new(list).into_iter().filter_map(too_wide))
            .collect()
    }

    /// Returns a network of the allowlist that lies in `network`.
    ///
    /// Networks are ordered by address, then wider ones first, so that the first one from `network`
    /// on lies in it if any does.
    fn safe_within(&self, network: IpNet) -> Option<IpNet> {
        let next = self.safe.range(network..).next().copied();
        next.filter(|safe| network.contains(safe))
    }
}
