//! Laws of lists of networks.

use std::{collections::HashSet, fmt::Write as _, net::IpAddr};

use gabion_inspect::{IpRanges, List, ListError, Network};
use ipnet::IpNet;

/// The maximum number of networks whose addresses are looked up: each is compared with the whole list.
const MAX_LOOKUPS: usize = 300;

/// Checks that parsing any text as a list does not panic, and that
/// 1. an error names a line and a column that exist in the text;
/// 2. each parsed network, formatted and parsed again, is the same, alone and in a list;
/// 3. a lookup in the compiled ranges finds the same as a linear search: the narrowest network, and its
///    first line.
///
/// # Panics
///
/// Panics if a law is broken.
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
        writeln!(written, "{network}").expect("a string accepts any text");
    }
    let again = List::parse("again", &written).map(|list| {
        let networks = list.networks().map(|(network, _)| network);
        networks.collect::<Vec<_>>()
    });
    let all = networks.iter().map(|(network, _)| *network).collect();
    assert_eq!(again, Ok(all), "2");
    agrees_with_linear_search(
        &IpRanges::build(&[list]).expect("the list is smaller than the maximum of a set"),
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

fn agrees_with_linear_search(ranges: &IpRanges, networks: &[(IpNet, u32)]) {
    let different: HashSet<_> = networks.iter().map(|(network, _)| network).collect();
    assert_eq!(ranges.len(), different.len(), "3");
    for addr in networks
        .iter()
        .take(MAX_LOOKUPS)
        .flat_map(|(network, _)| around(network))
    {
        let addr = addr.to_canonical();
        let holding = networks
            .iter()
            .filter(|(network, _)| network.contains(&addr));
        // Reversed, because `max_by_key` returns the last of several equal networks.
        let narrowest = holding
            .rev()
            .max_by_key(|(network, _)| network.prefix_len());
        let found = ranges.find(addr).map(|found| (found.network, found.line));
        assert_eq!(found, narrowest.copied(), "3: {addr}");
    }
}

/// Returns the first and last address of a network, and the addresses next to them.
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
