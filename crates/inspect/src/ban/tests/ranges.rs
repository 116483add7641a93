use std::{
    cmp::Reverse,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use ipnet::IpNet;
use prefix_trie::joint::JointPrefixMap;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{addr, scattered, v4, v6};
use crate::{IpRanges, List, Problem};

const LISTS: [(&str, &str); 2] = [
    (
        "first",
        "10.0.0.0/8\n10.1.0.0/16\n10.1.2.0/24\n10.1.2.3\n10.1.2.4\n255.255.255.255\n0.0.0.0\n\
         2001:db8::/48\n",
    ),
    (
        "second",
        "10.1.0.0/16\n10.1.128.0/17\n2001:db8::/32\n2001:db8:0:1::/64\n2001:db8::1\n::\n\
         ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n128.0.0.0/1\n",
    ),
];

fn build(lists: &[(&str, &str)]) -> IpRanges {
    let lists: Vec<_> = lists
        .iter()
        .map(|(name, text)| List::parse(name, text).unwrap())
        .collect();
    IpRanges::build(&lists).unwrap()
}

#[test]
fn longest_network_names_its_list_and_line() {
    let ranges = build(&LISTS);
    for (addr, expected) in [
        ("9.255.255.255", None),
        ("10.0.0.0", Some(("10.0.0.0/8", "first", 1))),
        ("10.0.255.255", Some(("10.0.0.0/8", "first", 1))),
        ("10.1.0.0", Some(("10.1.0.0/16", "first", 2))),
        ("10.1.2.2", Some(("10.1.2.0/24", "first", 3))),
        ("10.1.2.3", Some(("10.1.2.3/32", "first", 4))),
        ("10.1.2.4", Some(("10.1.2.4/32", "first", 5))),
        ("10.1.2.5", Some(("10.1.2.0/24", "first", 3))),
        ("10.1.3.0", Some(("10.1.0.0/16", "first", 2))),
        ("10.1.128.0", Some(("10.1.128.0/17", "second", 2))),
        ("10.1.255.255", Some(("10.1.128.0/17", "second", 2))),
        ("10.2.0.0", Some(("10.0.0.0/8", "first", 1))),
        ("11.0.0.0", None),
        ("0.0.0.0", Some(("0.0.0.0/32", "first", 7))),
        ("0.0.0.1", None),
        ("255.255.255.254", Some(("128.0.0.0/1", "second", 8))),
        ("255.255.255.255", Some(("255.255.255.255/32", "first", 6))),
        ("::ffff:10.1.2.3", Some(("10.1.2.3/32", "first", 4))),
        ("::", Some(("::/128", "second", 6))),
        ("::2", None),
        ("2001:db8::", Some(("2001:db8::/48", "first", 8))),
        ("2001:db8::1", Some(("2001:db8::1/128", "second", 5))),
        ("2001:db8:0:1::1", Some(("2001:db8:0:1::/64", "second", 4))),
        ("2001:db8:0:2::", Some(("2001:db8::/48", "first", 8))),
        ("2001:db8:1::", Some(("2001:db8::/32", "second", 3))),
        ("2001:db9::", None),
        (
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            Some(("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "second", 7)),
        ),
    ] {
        assert_eq!(ranges.holds(self::addr(addr)), expected.is_some(), "{addr}");
        let found = ranges.find(self::addr(addr));
        let found = found.map(|hit| (hit.network.to_string(), &**hit.list, hit.line));
        let expected = expected.map(|(network, list, line)| (network.to_owned(), list, line));
        assert_eq!(found, expected, "{addr}");
    }
    assert_eq!(ranges.len(), 15, "10.1.0.0/16 is in two lists");
}

#[test]
fn no_lists_contain_no_address() {
    let ranges = IpRanges::build::<List>(&[]).unwrap();
    assert!(ranges.is_empty());
    assert_eq!(ranges.find(addr("192.0.2.1")), None);
    assert_eq!(ranges.find(addr("2001:db8::1")), None);
}

#[test]
fn too_many_lists_are_an_error() {
    let most = IpRanges::MAX_LISTS;
    let lists = vec![List::parse("", "").unwrap(); most + 1];
    assert!(IpRanges::build(&lists[1..]).is_ok());
    let what = "lists";
    let found = most + 1;
    let refused = IpRanges::build(&lists).unwrap_err();
    assert_eq!(refused, Problem::TooMany { what, found, most });
}

#[test]
fn too_many_lines_are_an_error() {
    let far = |name| List::numbered(name, [(v4(1, 32), u32::MAX)]);
    let near = List::inline("near", [v4(2, 32)]);
    let ranges = IpRanges::build(&[near.clone(), List::inline("none", [])]).unwrap();
    assert_eq!(ranges.find(addr("0.0.0.2")).unwrap().line, 1);
    let ranges = IpRanges::build(&[far("far")]).unwrap();
    assert_eq!(ranges.find(addr("0.0.0.1")).unwrap().line, u32::MAX);

    let (what, most) = ("lines", u32::MAX as usize);
    let found = most + 1;
    let refused = IpRanges::build(&[near, far("far")]).unwrap_err();
    assert_eq!(refused, Problem::TooMany { what, found, most });
}

#[test]
fn networks_with_the_same_start_take_one_range_each() {
    let ranges = build(&[("nested", "10.0.0.0/16\n10.0.0.0/20\n10.0.0.0/24\n")]);
    let index = build(&[]).memory();
    assert!(ranges.memory() - index <= 3 * 8);
    // Each in 32 windows; the second window belongs to the narrower network.
    let ranges = build(&[("windows", "0.0.0.0/1\n4.0.0.0/6\n")]);
    assert!((32 * 3..=32 * 8).contains(&(ranges.memory() - index)));
}

#[test]
fn wide_network_continues_in_each_window() {
    let ranges = build(&[("wide", "0.0.0.0/1\n8.0.0.0/6\n9.0.0.0/8\n::/1\n")]);
    for (addr, network) in [
        ("0.0.0.0", "0.0.0.0/1"),
        ("7.255.255.255", "0.0.0.0/1"),
        ("8.0.0.0", "8.0.0.0/6"),
        ("9.0.0.0", "9.0.0.0/8"),
        ("10.0.0.0", "8.0.0.0/6"),
        ("12.0.0.0", "0.0.0.0/1"),
        ("127.255.255.255", "0.0.0.0/1"),
        ("::", "::/1"),
        ("7fff::", "::/1"),
    ] {
        let found = ranges.find(self::addr(addr)).unwrap();
        assert_eq!(found.network.to_string(), network, "{addr}");
    }
    assert_eq!(ranges.find(addr("128.0.0.0")), None);
    assert_eq!(ranges.find(addr("8000::")), None);
}

/// Compares with a linear search over all networks of one list.
fn agrees_with_linear_search(networks: &[IpNet], others: &[IpAddr]) {
    let list = List::inline("list", networks.iter().copied());
    let ranges = IpRanges::build(&[list]).unwrap();
    for addr in networks
        .iter()
        .flat_map(edges)
        .chain(others.iter().copied())
    {
        let holding = networks
            .iter()
            .zip(1..)
            .filter(|(network, _)| network.contains(&addr));
        // The first of equal networks, as `min_by_key` returns it.
        let longest = holding.min_by_key(|(network, _)| Reverse(network.prefix_len()));
        let found = ranges.find(addr).map(|found| (found.network, found.line));
        assert_eq!(ranges.holds(addr), found.is_some(), "{addr}");
        assert_eq!(
            found,
            longest.map(|(network, line)| (*network, line)),
            "{addr}"
        );
    }
}

/// Compares with the `prefix-trie` crate around the edges of every network. The networks
/// are spread over lists of seven.
fn agrees_with_a_trie(networks: &[IpNet], others: &[IpAddr]) {
    let mut lists = Vec::new();
    let mut trie = JointPrefixMap::<IpNet, (Arc<str>, u32)>::new();
    for (number, networks) in networks.chunks(7).enumerate() {
        let list = List::inline(&number.to_string(), networks.iter().copied());
        for (network, line) in list.networks() {
            if trie.get(&network).is_none() {
                trie.insert(network, (Arc::clone(list.name()), line));
            }
        }
        lists.push(list);
    }
    let ranges = IpRanges::build(&lists).unwrap();
    assert_eq!(ranges.len(), trie.len());
    let edges = networks.iter().flat_map(edges);
    for addr in edges.chain(others.iter().copied()) {
        let found = ranges.find(addr);
        let found = found.map(|hit| (hit.network, (Arc::clone(hit.list), hit.line)));
        let expected = trie.get_lpm(&addr.into());
        let expected = expected.map(|(network, origin)| (network, origin.clone()));
        assert_eq!(found, expected, "{addr}");
    }
}

fn edges(network: &IpNet) -> [IpAddr; 4] {
    let (first, last) = (network.network(), network.broadcast());
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let before = Ipv4Addr::from_bits(first.to_bits().wrapping_sub(1));
            let after = Ipv4Addr::from_bits(last.to_bits().wrapping_add(1));
            [first, last, before, after].map(IpAddr::V4)
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            let before = Ipv6Addr::from_bits(first.to_bits().wrapping_sub(1));
            let after = Ipv6Addr::from_bits(last.to_bits().wrapping_add(1));
            // IPv4-mapped addresses are looked up as IPv4, which the trie does not do.
            [first, last, before, after].map(|addr| match addr.to_ipv4_mapped() {
                Some(_) => first.into(),
                None => addr.into(),
            })
        }
        _ => unreachable!("a network has one address family"),
    }
}

/// Addresses around a few points, so that networks are nested and adjacent.
fn near_v4() -> impl Strategy<Value = u32> {
    let around = select(vec![0, u32::MAX, 0x0a01_0203, 0x7fff_ffff, 0x8000_0000]);
    (around, 0..32_u32, 0..4_u32).prop_map(|(near, at, noise)| near ^ (noise << at))
}

fn near_v6() -> impl Strategy<Value = u128> {
    let around = select(vec![0, u128::MAX, 0x2001_0db8 << 96, (1 << 127) - 1]);
    (around, 0..128_u32, 0..4_u128).prop_map(|(near, at, noise)| near ^ (noise << at))
}

proptest! {
    #[test]
    fn lookup_agrees_with_linear_search_and_a_trie(
        v4s in vec((near_v4(), 0..=32_u8), 0..40),
        v6s in vec((near_v6(), 0..=128_u8), 0..40),
        others in vec(any::<Ipv4Addr>(), 20),
    ) {
        let v4s = v4s.into_iter().map(|(addr, bits)| v4(addr, bits));
        let v6s = v6s.into_iter().map(|(addr, bits)| v6(addr, bits));
        let others: Vec<_> = others.into_iter().map(IpAddr::V4).collect();
        let networks: Vec<_> = v4s.chain(v6s).collect();
        agrees_with_linear_search(&networks, &others);
        agrees_with_a_trie(&networks, &others);
    }
}

#[test]
fn lookup_through_an_index_agrees_with_a_trie() {
    let numbers = scattered(20_000);
    let networks: Vec<_> = numbers
        .flat_map(|number| {
            let bits = u8::try_from(number % 32).unwrap() + 1;
            let number = number.rotate_left(7);
            let high = u128::from(number) << 96 | u128::from(number) << 40;
            [v4(number, bits), v6(high, bits * 4)]
        })
        .collect();
    agrees_with_a_trie(&networks, &[]);
}
