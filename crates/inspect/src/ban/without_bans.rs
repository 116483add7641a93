//! Clients that rules never ban.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{IpRanges, List};
use crate::{Problem, timed_map::surrounding};

/// The networks of the lists with [`ListEffect::NoBan`](super::ListEffect::NoBan).
#[derive(Debug)]
pub(super) struct WithoutBans {
    ranges: IpRanges,
    /// The /24 or /48 around each network, sorted.
    surrounding: Vec<IpNet>,
}

// === impl WithoutBans ===

impl WithoutBans {
    pub(super) fn build(lists: &[&List]) -> Result<Self, Problem> {
        let ranges = IpRanges::build(lists)?;
        let networks = lists.iter().flat_map(|list| list.networks());
        let mut surrounding: Vec<_> = networks.map(|(network, _)| surrounding(network)).collect();
        surrounding.sort_unstable();
        surrounding.dedup();
        Ok(Self {
            ranges,
            surrounding,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns `true` if a list contains `client`.
    pub(super) fn holds(&self, client: IpAddr) -> bool {
        self.ranges.holds(client)
    }

    /// Returns `true` if a client of `network`, a /24 or /48, is in a list.
    pub(super) fn touches(&self, network: IpNet) -> bool {
        self.ranges.holds(network.addr()) || self.surrounding.binary_search(&network).is_ok()
    }
}
