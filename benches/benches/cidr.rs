//! Lookup of an address among many networks: gabion beside its peers.
//!
//! `cargo bench -p gabion-benches --bench cidr`
//!
//! Half of the addresses lie in a network of the set, half are random. All implementations must find the
//! same addresses. `plain binary search` searches sorted ranges from which nested networks are removed; it
//! reports neither the network nor its line.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a bench may panic, and needs only the digits that it prints"
)]

use std::{cmp::Reverse, net::IpAddr, time::Instant};

use gabion::ban::List;
use gabion_benches::{
    Comparison, Rng, is_test,
    networks::{AddressSpace, within},
};
use gabion_inspect::IpRanges;
use ip_network::IpNetwork;
use ip_network_table::IpNetworkTable;
use ipnet::IpNet;
use prefix_trie::joint::JointPrefixSet;

/// Rounds, and lookups per round.
const ROUNDS: usize = 15;
const LOOKUPS: usize = 1 << 18;
/// The largest set for which a linear search is measured. Larger sets would take minutes.
const MAX_LINEAR: usize = 1_000;

/// The lookups of gabion: `whether` tests for membership, as the plain search does; `which` finds the
/// network, its list and its line.
const GABION: [(&str, Holds); 2] = [
    ("gabion, whether", IpRanges::holds),
    ("gabion, which", |ranges, addr| ranges.find(addr).is_some()),
];

type Holds = fn(&IpRanges, IpAddr) -> bool;

/// Sorted ranges, first and last address, that do not overlap.
struct SortedRanges<A>(Vec<(A, A)>);

/// The cost of building a set.
struct BuildCost {
    millis: f64,
    bytes: f64,
}

fn main() {
    let counts: &[usize] = if is_test() {
        &[100]
    } else {
        &[1_000, 100_000, 1_000_000]
    };
    for space in [
        AddressSpace::V4,
        AddressSpace::V6,
        AddressSpace::V6Crowded,
        AddressSpace::V6Hosts,
    ] {
        for &count in counts {
            compare(space, count);
        }
    }
}

fn compare(space: AddressSpace, count: usize) {
    let mut rng = Rng::new(1);
    let networks = space.networks(count, &mut rng);
    let addrs = addresses(space, &networks, &mut rng);
    let text: Vec<_> = networks.iter().map(IpNet::to_string).collect();
    let lists = [List::parse("list", &text.join("\n")).unwrap()];

    let mut comparison = Comparison::new();
    let mut costs = vec![match space {
        AddressSpace::V4 => add(
            &mut comparison,
            "plain binary search",
            &addrs,
            || SortedRanges::new(networks.iter().map(|network| ends(network, low_bits))),
            |ranges, addr| ranges.holds(low_bits(addr)),
        ),
        _ => add(
            &mut comparison,
            "plain binary search",
            &addrs,
            || SortedRanges::new(networks.iter().map(|network| ends(network, all_bits))),
            |ranges, addr| ranges.holds(all_bits(addr)),
        ),
    }];
    for (name, holds) in GABION {
        costs.push(add(
            &mut comparison,
            name,
            &addrs,
            || IpRanges::build(&lists).unwrap(),
            holds,
        ));
    }
    costs.push(add(
        &mut comparison,
        "prefix-trie",
        &addrs,
        || networks.iter().copied().collect::<JointPrefixSet<IpNet>>(),
        |trie, addr| trie.get_lpm(&addr.into()).is_some(),
    ));
    costs.push(add(
        &mut comparison,
        "ip_network_table",
        &addrs,
        || table_of(&networks),
        |table, addr| table.longest_match(addr).is_some(),
    ));
    if count <= MAX_LINEAR {
        costs.push(add(
            &mut comparison,
            "linear search",
            &addrs,
            || networks.clone(),
            |networks, addr| networks.iter().any(|network| network.contains(&addr)),
        ));
    }

    println!("\n{count} networks, {space}");
    println!(
        "{:<22}{:>9}{:>9}{:>12}{:>12}",
        "", "ns", "ratio", "bytes each", "ms to build"
    );
    let rounds = if is_test() { 1 } else { ROUNDS };
    for (timing, cost) in comparison.run(rounds, addrs.len()).iter().zip(costs) {
        println!(
            "{:<22}{:>9.1}{:>9.2}{:>12.1}{:>12.1}",
            timing.name,
            timing.nanos,
            timing.ratio,
            cost.bytes / count as f64,
            cost.millis,
        );
    }
}

/// Generates the looked-up addresses: half of them random, half within a network.
fn addresses(space: AddressSpace, networks: &[IpNet], rng: &mut Rng) -> Vec<IpAddr> {
    let addrs = (0..LOOKUPS).map(|number| {
        let addr = space.addr(rng);
        if number % 2 == 0 {
            return addr;
        }
        within(networks[rng.below(networks.len())], addr)
    });
    addrs.collect()
}

/// Builds a set and adds its lookup to the comparison.
fn add<'r, S: 'r>(
    comparison: &mut Comparison<'r>,
    name: &str,
    addrs: &'r [IpAddr],
    build: impl FnOnce() -> S,
    holds: impl Fn(&S, IpAddr) -> bool + 'r,
) -> BuildCost {
    let start = Instant::now();
    let mut set = None;
    let memory = allocation_counter::measure(|| set = Some(build()));
    let millis = start.elapsed().as_secs_f64() * 1e3;
    let set = set.unwrap();
    comparison.add(name, move || {
        let found = addrs.iter().filter(|addr| holds(&set, **addr));
        found.count()
    });
    let bytes = memory.bytes_current as f64;
    BuildCost { millis, bytes }
}

fn table_of(networks: &[IpNet]) -> IpNetworkTable<()> {
    let mut table = IpNetworkTable::new();
    for network in networks {
        let network = IpNetwork::new(network.network(), network.prefix_len());
        table.insert(network.unwrap(), ());
    }
    table
}

fn ends<A>(network: &IpNet, bits: impl Fn(IpAddr) -> A) -> (A, A) {
    (bits(network.network()), bits(network.broadcast()))
}

fn low_bits(addr: IpAddr) -> u32 {
    match addr {
        IpAddr::V4(addr) => addr.to_bits(),
        IpAddr::V6(_) => unreachable!("a set is of one family"),
    }
}

fn all_bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(_) => unreachable!("a set is of one family"),
        IpAddr::V6(addr) => addr.to_bits(),
    }
}

// === impl SortedRanges ===

impl<A: Copy + Ord> SortedRanges<A> {
    /// Builds the ranges from networks. Two networks are either nested or disjoint.
    fn new(networks: impl Iterator<Item = (A, A)>) -> Self {
        let mut networks: Vec<_> = networks.collect();
        networks.sort_unstable_by_key(|&(start, last)| (start, Reverse(last)));
        let mut covered = None;
        networks.retain(|&(_, last)| {
            let inside = covered.is_some_and(|covered| last <= covered);
            covered = covered.max(Some(last));
            !inside
        });
        networks.shrink_to_fit();
        Self(networks)
    }

    fn holds(&self, addr: A) -> bool {
        let after = self.0.partition_point(|&(start, _)| start <= addr);
        after > 0 && addr <= self.0[after - 1].1
    }
}
