//! Whether a ban list makes sense: a wrong ban hurts more than a missed one.

use std::collections::BTreeSet;

use gabion_core::{ClientRules, Protected};
use ipnet::IpNet;

use super::{AddressShare, List, share::Coverage};

/// Why a ban list makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListRejection {
    /// It covers whom the safelist lets through.
    #[error("{network} covers {safe}, which [allow] lets through")]
    CoversAllowed {
        /// The network of the list.
        network: IpNet,
        /// The network of the safelist.
        safe: IpNet,
    },
    /// It covers an address that no ban may hit.
    #[error("{network} would ban {whom}")]
    HitsProtected {
        /// The network of the list.
        network: IpNet,
        /// Whom it would hit.
        whom: Protected,
    },
    /// It covers too much of the internet.
    #[error("the list covers {coverage}, {widest} the widest network in it; it may cover {most}")]
    TooWide {
        /// How much it covers of which kind of address.
        coverage: String,
        /// How much it may cover.
        most: AddressShare,
        /// The widest of its networks.
        widest: IpNet,
    },
}

/// What no ban list may cover.
///
/// A list is sound when:
/// 1. none of its networks holds a network of the safelist,
/// 2. none of them holds an address that [`ClientRules`] protect (trusted proxies, this host,
///    private space), and
/// 3. all of them together cover no more than a share of the addresses in use, IPv4 and IPv6 each.
///
/// A ban of a part of an allowed network is sound: whoever is allowed is let through first.
#[derive(Debug)]
pub struct ListCheck<'r> {
    clients: &'r ClientRules,
    safe: BTreeSet<IpNet>,
    most: AddressShare,
}

// === impl Sense ===

impl<'r> ListCheck<'r> {
    /// What a list may not cover: the networks in `safe`, whom `clients` protect, and more than
    /// `most` of the addresses.
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

    /// What is wrong with `list`: of each kind the first, with its line.
    ///
    /// # Cost
    ///
    /// Sorts the networks; looks each up in the safelist, and compares it with each trusted proxy.
    pub fn problems(&self, list: &List) -> Vec<(u32, ListRejection)> {
        let covers = |(network, line)| {
            let safe = self.safe_within(network)?;
            Some((line, ListRejection::CoversAllowed { network, safe }))
        };
        let hits = |(network, line)| {
            let whom = self.clients.protects(network)?;
            Some((line, ListRejection::HitsProtected { network, whom }))
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

    /// A network of the safelist that lies in `network`.
    ///
    /// Networks are ordered by address, wider ones first, so that the first from `network` on lies
    /// in it if any does.
    fn safe_within(&self, network: IpNet) -> Option<IpNet> {
        let next = self.safe.range(network..).next().copied();
        next.filter(|safe| network.contains(safe))
    }
}
