//! Which network of many an address lies in.

mod bits;
mod lines;
mod sorted;
mod sweep;

use std::{
    borrow::Borrow,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use gabion_core::Reason;
use ipnet::IpNet;

use self::{
    lines::Lines,
    sorted::Sorted,
    sweep::{Range, sort},
};
use super::List;
use crate::Problem;

/// An immutable set of networks that knows where each was written.
///
/// # Cost
///
/// A lookup is one search among the few networks that share the leading bits of the address (6 to
/// 18 of them), and two for IPv6 where a network is longer than /64: no allocation, no lock.
///
/// Networks that do not contain one another take 8 bytes each (IPv4), 12 (IPv6) or 20 (IPv6, longer
/// than /64), nested ones up to twice that. The index and what it splits take a few bytes more for
/// each, and no less than 776 in all.
pub struct IpRanges {
    lines: Lines,
    v4: Sorted<u32>,
    // IPv6 up to /64, by the leading half.
    subnets: Sorted<u64>,
    // IPv6 longer than /64, which no network of the other kind can lie in; few lists have any.
    hosts: Option<Sorted<u128>>,
}

/// A network of a list, found to hold an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed<'a> {
    /// The longest network that holds the address.
    pub network: IpNet,
    /// The list that names it; of several, the first.
    pub list: &'a Arc<str>,
    /// Its line there, from 1.
    pub line: u32,
}

// === impl IpRanges ===

impl IpRanges {
    /// How many lists are compiled into one set.
    pub const MAX_LISTS: usize = 1 << 16;

    /// How many networks are compiled into one set, all lists together.
    pub const MAX_NETWORKS: usize = 10_000_000;

    /// Compiles `lists`. A network that stands in several counts as the first's.
    ///
    /// # Errors
    ///
    /// Refuses more than [`Self::MAX_LISTS`] lists or [`Self::MAX_NETWORKS`] networks, and lists
    /// that have more than four billion lines.
    ///
    /// # Cost
    ///
    /// Sorts once and sweeps once; needs twice the memory of the result meanwhile.
    pub fn build<L: Borrow<List>>(lists: &[L]) -> Result<Self, Problem> {
        let found = lists.iter().map(|list| list.borrow().len()).sum();
        at_most("lists", lists.len(), Self::MAX_LISTS)?;
        at_most("networks", found, Self::MAX_NETWORKS)?;
        let lines = Lines::of(lists)?;
        let (mut v4, mut subnets, mut hosts) = (Vec::new(), Vec::new(), Vec::new());
        for (list, before) in lists.iter().zip(lines.before()) {
            for (network, line) in list.borrow().networks() {
                let (bits, place) = (network.prefix_len(), before + line);
                match network.network() {
                    IpAddr::V4(start) => {
                        let start = start.to_bits();
                        v4.push(Range { start, bits, place });
                    }
                    IpAddr::V6(start) if bits <= 64 => {
                        let start = leading_half(start);
                        subnets.push(Range { start, bits, place });
                    }
                    IpAddr::V6(start) => {
                        let start = start.to_bits();
                        hosts.push(Range { start, bits, place });
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

    /// Whether a network holds `addr`. An IPv4 address mapped into IPv6 is looked up as IPv4.
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

    /// The longest network that holds `addr`. An IPv4 address mapped into IPv6 is looked up as
    /// IPv4.
    pub fn find(&self, addr: IpAddr) -> Option<Listed<'_>> {
        let addr = addr.to_canonical();
        let (bits, place) = match addr {
            IpAddr::V4(addr) => self.v4.find(addr.to_bits()),
            IpAddr::V6(addr) => {
                let hosts = self.hosts.as_ref();
                let host = hosts.and_then(|hosts| hosts.find(addr.to_bits()));
                host.or_else(|| self.subnets.find(leading_half(addr)))
            }
        }?;
        let (list, line) = self.lines.at(place)?;
        let network = IpNet::new(addr, bits).ok()?.trunc();
        Some(Listed {
            network,
            list,
            line,
        })
    }

    /// How many different networks there are.
    pub fn len(&self) -> usize {
        self.v4.len() + self.subnets.len() + self.hosts.as_ref().map_or(0, Sorted::len)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the networks take.
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

fn at_most(what: &'static str, found: usize, most: usize) -> Result<(), Problem> {
    if found > most {
        return Err(Problem::TooMany { what, found, most });
    }
    Ok(())
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
