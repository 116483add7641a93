//! Laws of lists of networks.

use std::{collections::HashSet, fmt::Write as _, net::IpAddr};

use gabion_inspect::{IpRanges, List, ListError, Network};
use ipnet::IpNet;

/// How many networks of a list are asked about: each is compared with all of them.
const ASKED: usize = 300;

/// Reading any text as a list ends without a panic, and
/// 1. an error points to a line and a column that the text has;
/// 2. each network that is read is written and read again as the same, alone and in a list;
/// 3. compiled to ranges, it holds whom a walk through all of it finds: in the narrowest network,
///    on the line that names it first.
///
/// # Panics
///
/// Where a law is broken.
pub fn list_files(text: &str) {
    let list = match List::parse("list", text) {
        Ok(list) => list,
        Err(error) => return points_into(&error, text),
    };
    let networks: Vec<_> = list.networks().collect();
    let mut written = String::new();
    for (network, _) in &networks {
        let again = network.to_string().parse().map(Network::net);
        assert_eq!(again, Ok(*network), "2");
        writeln!(written, "{network}").expect("a text takes what is written");
    }
    let again = List::parse("again", &written).map(|list| {
        let networks = list.networks().map(|(network, _)| network);
        networks.collect::<Vec<_>>()
    });
    let all = networks.iter().map(|(network, _)| *network).collect();
    assert_eq!(again, Ok(all), "2");
    finds_alike(
        &IpRanges::build(&[list]).expect("a list is no more than a set may hold"),
        &networks,
    );
}

fn points_into(error: &ListError, text: &str) {
    let at = |one: u32| usize::try_from(one).ok()?.checked_sub(1);
    let line = at(error.line).and_then(|line| text.split('\n').nth(line));
    let line = line.unwrap_or_else(|| panic!("1: no line {}", error.line));
    let column = at(error.column).expect("1: columns count from 1");
    assert!(
        column <= line.chars().count(),
        "1: no column {column} in {line:?}"
    );
}

fn finds_alike(ranges: &IpRanges, networks: &[(IpNet, u32)]) {
    let different: HashSet<_> = networks.iter().map(|(network, _)| network).collect();
    assert_eq!(ranges.len(), different.len(), "3");
    for addr in networks
        .iter()
        .take(ASKED)
        .flat_map(|(network, _)| around(network))
    {
        let addr = addr.to_canonical();
        let holding = networks
            .iter()
            .filter(|(network, _)| network.contains(&addr));
        // Of equal networks the first: `max_by_key` would give the last.
        let narrowest = holding
            .rev()
            .max_by_key(|(network, _)| network.prefix_len());
        let found = ranges.find(addr).map(|found| (found.network, found.line));
        assert_eq!(found, narrowest.copied(), "3: {addr}");
    }
}

/// The ends of a network, and their neighbors.
fn around(network: &IpNet) -> impl Iterator<Item = IpAddr> {
    let (first, last) = (network.network(), network.broadcast());
    [Some(first), Some(last), before(first), after(last)]
        .into_iter()
        .flatten()
}

fn before(addr: IpAddr) -> Option<IpAddr> {
    match addr {
        IpAddr::V4(addr) => addr
            .to_bits()
            .checked_sub(1)
            .map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(addr) => addr
            .to_bits()
            .checked_sub(1)
            .map(|bits| IpAddr::V6(bits.into())),
    }
}

fn after(addr: IpAddr) -> Option<IpAddr> {
    match addr {
        IpAddr::V4(addr) => addr
            .to_bits()
            .checked_add(1)
            .map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(addr) => addr
            .to_bits()
            .checked_add(1)
            .map(|bits| IpAddr::V6(bits.into())),
    }
}
