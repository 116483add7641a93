//! Which network of many an address lies in: gabion beside its peers.
//!
//! `cargo bench -p gabion-benches --bench cidr`
//!
//! Half of the addresses that are asked for are drawn from the set, half from the whole space. All
//! must find alike. `plain binary search` is in sorted ranges without what lies in others, and tells neither
//! network nor line.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a bench may stop, and needs no more digits than it prints"
)]

use std::{cmp::Reverse, net::IpAddr, time::Instant};

use gabion::ban::List;
use gabion_benches::{
    Numbers, Race, is_test,
    space::{Space, within},
};
use gabion_inspect::IpRanges;
use ip_network::IpNetwork;
use ip_network_table::IpNetworkTable;
use ipnet::IpNet;
use prefix_trie::joint::JointPrefixSet;

/// How often everyone is asked for every address.
const ROUNDS: usize = 15;
const ASKED: usize = 1 << 18;
/// Of a set beyond this one by one would take minutes.
const MOST_ONE_BY_ONE: usize = 1_000;

/// Whether any network holds an address, as the plain search tells; and which, on which line of
/// which list.
const OURS: [(&str, Holds); 2] = [
    ("gabion, whether", IpRanges::holds),
    ("gabion, which", |ranges, addr| ranges.find(addr).is_some()),
];

type Holds = fn(&IpRanges, IpAddr) -> bool;

/// Sorted ranges that neither touch nor overlap, with their last addresses.
struct Plain<A>(Vec<(A, A)>);

/// What a set costs before it is asked for anything.
struct Cost {
    millis: f64,
    bytes: f64,
}

fn main() {
    let counts: &[usize] = if is_test() {
        &[100]
    } else {
        &[1_000, 100_000, 1_000_000]
    };
    for space in [Space::V4, Space::V6, Space::V6Crowded, Space::V6Hosts] {
        for &count in counts {
            compare(space, count);
        }
    }
}

fn compare(space: Space, count: usize) {
    let mut numbers = Numbers::of(1);
    let networks = space.networks(count, &mut numbers);
    let asked = asked(space, &networks, &mut numbers);
    let text: Vec<_> = networks.iter().map(IpNet::to_string).collect();
    let lists = [List::parse("list", &text.join("\n")).unwrap()];

    let mut race = Race::new();
    let mut costs = vec![match space {
        Space::V4 => enter(
            &mut race,
            "plain binary search",
            &asked,
            || Plain::of(networks.iter().map(|network| ends(network, low_bits))),
            |plain, addr| plain.holds(low_bits(addr)),
        ),
        _ => enter(
            &mut race,
            "plain binary search",
            &asked,
            || Plain::of(networks.iter().map(|network| ends(network, all_bits))),
            |plain, addr| plain.holds(all_bits(addr)),
        ),
    }];
    for (name, holds) in OURS {
        costs.push(enter(
            &mut race,
            name,
            &asked,
            || IpRanges::build(&lists).unwrap(),
            holds,
        ));
    }
    costs.push(enter(
        &mut race,
        "prefix-trie",
        &asked,
        || networks.iter().copied().collect::<JointPrefixSet<IpNet>>(),
        |trie, addr| trie.get_lpm(&addr.into()).is_some(),
    ));
    costs.push(enter(
        &mut race,
        "ip_network_table",
        &asked,
        || table_of(&networks),
        |table, addr| table.longest_match(addr).is_some(),
    ));
    if count <= MOST_ONE_BY_ONE {
        costs.push(enter(
            &mut race,
            "one by one",
            &asked,
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
    for (finish, cost) in race.run(rounds, asked.len()).iter().zip(costs) {
        println!(
            "{:<22}{:>9.1}{:>9.2}{:>12.1}{:>12.1}",
            finish.name,
            finish.nanos,
            finish.ratio,
            cost.bytes / count as f64,
            cost.millis,
        );
    }
}

fn asked(space: Space, networks: &[IpNet], numbers: &mut Numbers) -> Vec<IpAddr> {
    let asked = (0..ASKED).map(|number| {
        let addr = space.addr(numbers);
        if number % 2 == 0 {
            return addr;
        }
        within(networks[numbers.below(networks.len())], addr)
    });
    asked.collect()
}

/// Builds a set, and enters it.
fn enter<'r, S: 'r>(
    race: &mut Race<'r>,
    name: &str,
    asked: &'r [IpAddr],
    build: impl FnOnce() -> S,
    holds: impl Fn(&S, IpAddr) -> bool + 'r,
) -> Cost {
    let begun = Instant::now();
    let mut set = None;
    let memory = allocation_counter::measure(|| set = Some(build()));
    let millis = begun.elapsed().as_secs_f64() * 1e3;
    let set = set.unwrap();
    race.enter(name, move || {
        let found = asked.iter().filter(|addr| holds(&set, **addr));
        found.count()
    });
    let bytes = memory.bytes_current as f64;
    Cost { millis, bytes }
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

// === impl Plain ===

impl<A: Copy + Ord> Plain<A> {
    /// Of networks, of which any two lie in one another or apart.
    fn of(networks: impl Iterator<Item = (A, A)>) -> Self {
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
