//! Longest-prefix lookup of an address in a large set of networks.

mod bits;
mod lines;
mod range;
mod records;
mod sorted;
mod sweep;

use std::{
    borrow::Borrow,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use gabion_core::Reason;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use self::{bits::Bits as _, lines::Lines, range::Range, sorted::Sorted, sweep::sort};
use super::List;
use crate::Problem;

/// An immutable set of networks with longest-prefix lookup, built from [`List`]s. Each network
/// keeps its list and line.
///
/// # Cost
///
/// A lookup is one binary search among the few networks that share the leading bits of the address
/// (6 to 18 of them), and two searches for IPv6 if a network is longer than /64. It takes no lock
/// and allocates nothing.
///
/// Networks that do not contain one another take 8 bytes each (IPv4), 12 (IPv6) or 20 (IPv6 longer
/// than /64); nested networks take up to twice that. The index and the ranges that it splits add a
/// few bytes per network, and at least 776 bytes in all.
///
/// # Examples
///
/// ```
/// use gabion_inspect::{IpRanges, List};
///
/// let list = List::parse("drop.netset", "192.0.2.0/24\n192.0.2.128/25\n").unwrap();
/// let ranges = IpRanges::build(&[list]).unwrap();
///
/// let listed = ranges.find("192.0.2.200".parse().unwrap()).unwrap();
/// assert_eq!(listed.network.to_string(), "192.0.2.128/25");
/// assert_eq!((&**listed.list, listed.line), ("drop.netset", 2));
/// assert!(ranges.find("198.51.100.7".parse().unwrap()).is_none());
/// ```
pub struct IpRanges {
    lines: Lines,
    v4: Sorted<u32>,
    // IPv6 networks up to /64, by their leading 64 bits.
    subnets: Sorted<u64>,
    // IPv6 networks longer than /64. They cannot contain a network of `subnets`. Few lists have any.
    hosts: Option<Sorted<u128>>,
}

/// The network that [`IpRanges::find`] returns for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed<'a> {
    /// The longest network that contains the address.
    pub network: IpNet,
    /// The name of the list of this network; the first list if several contain the network.
    pub list: &'a Arc<str>,
    /// The line of the network in that list, from 1.
    pub line: u32,
}

// === impl IpRanges ===

impl IpRanges {
    /// The largest number of lists in one set.
    pub const MAX_LISTS: usize = 1 << 16;

    /// The largest number of networks in one set, over all lists.
    pub const MAX_NETWORKS: usize = 10_000_000;

    /// Builds the set from `lists`. A network in several lists is attributed to the first.
    ///
    /// # Errors
    ///
    /// [`Problem::TooMany`] for more than [`Self::MAX_LISTS`] lists, more than
    /// [`Self::MAX_NETWORKS`] networks, or more than 4,294,967,295 lines.
    ///
    /// # Cost
    ///
    /// One sort and one pass. Needs twice the memory of the result while it runs.
    pub fn build<L: Borrow<List>>(lists: &[L]) -> Result<Self, Problem> {
        let found = lists.iter().map(|list| list.borrow().len()).sum();
        Problem::at_most("lists", lists.len(), Self::MAX_LISTS)?;
        Problem::at_most("networks", found, Self::MAX_NETWORKS)?;
        let named = lists.iter().map(Borrow::borrow);
        let lines = Lines::new(named.map(|list| (list.name(), list.lines())))?;
        let (mut v4, mut subnets, mut hosts) = (Vec::new(), Vec::new(), Vec::new());
        for (list, before) in lists.iter().zip(lines.before()) {
            for (network, line) in list.borrow().networks() {
                let (bits, position) = (network.prefix_len(), before + line);
                match network.network() {
                    IpAddr::V4(start) => {
                        let start = start.to_bits();
                        v4.push(Range {
                            start,
                            bits,
                            position,
                        });
                    }
                    IpAddr::V6(start) if bits <= 64 => {
                        let start = leading_half(start);
                        subnets.push(Range {
                            start,
                            bits,
                            position,
                        });
                    }
                    IpAddr::V6(start) => {
                        let start = start.to_bits();
                        hosts.push(Range {
                            start,
                            bits,
                            position,
                        });
                    }
                }
            }
        }
        Ok(Self {
            lines,
            v4: sort(v4),
            subnets: sort(subnets),
            hosts: (!hosts.is_empty()).then(|| sort(hosts)),
        })
    }

    /// Returns `true` if a network contains `addr`. An IPv4-mapped IPv6 address is looked up as
    /// IPv4.
    pub fn holds(&self, addr: IpAddr) -> bool {
        match addr.to_canonical() {
            IpAddr::V4(addr) => self.v4.holds(addr.to_bits()),
            IpAddr::V6(addr) => {
                let hosts = self.hosts.as_ref();
                hosts.is_some_and(|hosts| hosts.holds(addr.to_bits()))
                    || self.subnets.holds(leading_half(addr))
            }
        }
    }

    /// Returns the longest network that contains `addr`. An IPv4-mapped IPv6 address is looked up
    /// as IPv4.
    #[inline]
    pub fn find(&self, addr: IpAddr) -> Option<Listed<'_>> {
        match addr.to_canonical() {
            IpAddr::V4(addr) => self.find_v4(addr),
            IpAddr::V6(addr) => self.find_v6(addr),
        }
    }

    #[inline]
    fn find_v4(&self, addr: Ipv4Addr) -> Option<Listed<'_>> {
        let (bits, position, contains) = self.v4.nearest(addr.to_bits())?;
        let start = Ipv4Addr::from_bits(addr.to_bits().first(bits));
        let listed = self.listed(Ipv4Net::new(start, bits).ok()?.into(), position)?;
        contains.then_some(listed)
    }

    #[inline]
    fn find_v6(&self, addr: Ipv6Addr) -> Option<Listed<'_>> {
        let hosts = self.hosts.as_ref();
        let host = hosts.and_then(|hosts| hosts.nearest(addr.to_bits()));
        let host = host.filter(|(_, _, contains)| *contains);
        let (bits, position, contains) = match host {
            Some(host) => host,
            None => self.subnets.nearest(leading_half(addr))?,
        };
        let start = Ipv6Addr::from_bits(addr.to_bits().first(bits));
        let listed = self.listed(Ipv6Net::new(start, bits).ok()?.into(), position)?;
        contains.then_some(listed)
    }

    #[inline]
    fn listed(&self, network: IpNet, position: u32) -> Option<Listed<'_>> {
        let (list, line) = self.lines.at(position)?;
        Some(Listed {
            network,
            list,
            line,
        })
    }

    /// Returns the number of different networks.
    pub fn len(&self) -> usize {
        self.v4.len() + self.subnets.len() + self.hosts.as_ref().map_or(0, Sorted::len)
    }

    /// Returns `true` if there are no networks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the size of the networks and their index, in bytes.
    pub fn memory(&self) -> usize {
        let hosts = self.hosts.as_ref().map_or(0, Sorted::memory);
        self.v4.memory() + self.subnets.memory() + hosts
    }
}

impl fmt::Debug for IpRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists: Vec<_> = self.lines.names().collect();
        f.debug_struct("IpRanges")
            .field("lists", &lists)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

fn leading_half(addr: Ipv6Addr) -> u64 {
    u64::try_from(addr.to_bits() >> 64).unwrap_or(u64::MAX)
}

// === impl Listed ===

impl From<Listed<'_>> for Reason {
    fn from(listed: Listed<'_>) -> Self {
        Self::Listed {
            network: listed.network,
            list: Arc::clone(listed.list),
            line: listed.line,
        }
    }
}
