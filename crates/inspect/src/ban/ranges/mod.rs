//! Which network of many an address lies in.

mod bits;
mod sorted;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use gabion_core::Reason;
use ipnet::IpNet;

use self::sorted::{Origin, Sorted};
use super::List;
use crate::Problem;

/// An immutable set of networks that knows where each was written.
///
/// # Cost
///
/// A lookup is one binary search: no allocation, no lock. Networks that do not contain one another
/// take 12 bytes each (IPv4) or 24 (IPv6), nested ones up to twice that, and a family of 4,096
/// ranges or more has an index of 256 KiB on top.
pub struct IpRanges {
    lists: Box<[Arc<str>]>,
    v4: Sorted<u32>,
    v6: Sorted<u128>,
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
    /// Refuses more than [`Self::MAX_LISTS`] lists or [`Self::MAX_NETWORKS`] networks.
    ///
    /// # Cost
    ///
    /// Sorts once and sweeps once; needs twice the memory of the result meanwhile.
    pub fn build(lists: &[List]) -> Result<Self, Problem> {
        let found = lists.iter().map(List::len).sum();
        at_most("lists", lists.len(), Self::MAX_LISTS)?;
        at_most("networks", found, Self::MAX_NETWORKS)?;
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (list, number) in lists.iter().zip(0..=u16::MAX) {
            for (network, line) in list.networks() {
                let origin = Origin {
                    bits: network.prefix_len(),
                    list: number,
                    line,
                };
                match network.network() {
                    IpAddr::V4(start) => v4.push((start.to_bits(), origin)),
                    IpAddr::V6(start) => v6.push((start.to_bits(), origin)),
                }
            }
        }
        Ok(Self {
            lists: lists.iter().map(|list| Arc::clone(list.name())).collect(),
            v4: Sorted::build(v4),
            v6: Sorted::build(v6),
        })
    }

    /// The longest network that holds `addr`. An IPv4 address mapped into IPv6 is looked up as
    /// IPv4.
    pub fn find(&self, addr: IpAddr) -> Option<Listed<'_>> {
        let (network, origin) = match addr.to_canonical() {
            IpAddr::V4(addr) => self.v4.find(Ipv4Addr::to_bits(addr)),
            IpAddr::V6(addr) => self.v6.find(Ipv6Addr::to_bits(addr)),
        }?;
        Some(Listed {
            network,
            list: self.lists.get(usize::from(origin.list))?,
            line: origin.line,
        })
    }

    /// How many different networks there are.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the networks take.
    pub fn memory(&self) -> usize {
        self.v4.memory() + self.v6.memory()
    }
}

impl fmt::Debug for IpRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IpRanges")
            .field("lists", &self.lists)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
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
