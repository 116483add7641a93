use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::joint::JointPrefixMap;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{addr, scattered};
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
    for (asked, expected) in [
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
        let found = ranges.find(addr(asked));
        let found = found.map(|hit| (hit.network.to_string(), &**hit.list, hit.line));
        let expected = expected.map(|(network, list, line)| (network.to_owned(), list, line));
        assert_eq!(found, expected, "{asked}");
    }
    assert_eq!(ranges.len(), 15, "10.1.0.0/16 stands twice");
}

#[test]
fn no_lists_hold_nobody() {
    let ranges = IpRanges::build(&[]).unwrap();
    assert!(ranges.is_empty());
    assert_eq!(ranges.find(addr("192.0.2.1")), None);
    assert_eq!(ranges.find(addr("2001:db8::1")), None);
}

#[test]
fn too_many_lists_are_refused() {
    let most = IpRanges::MAX_LISTS;
    let lists = vec![List::parse("", "").unwrap(); most + 1];
    assert!(IpRanges::build(&lists[1..]).is_ok());
    let what = "lists";
    let found = most + 1;
    let refused = IpRanges::build(&lists).unwrap_err();
    assert_eq!(refused, Problem::TooMany { what, found, most });
}

#[test]
fn networks_with_one_start_take_one_range_each() {
    let ranges = build(&[("nested", "10.0.0.0/8\n10.0.0.0/16\n10.0.0.0/24\n")]);
    assert_eq!(ranges.memory(), 3 * 12);
}

/// Compares with a trie that somebody else wrote, around the edges of every network. The networks
/// are spread over lists of seven.
fn agrees_with_a_trie(networks: &[IpNet], strangers: &[IpAddr]) {
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
    for asked in edges.chain(strangers.iter().copied()) {
        let found = ranges.find(asked);
        let found = found.map(|hit| (hit.network, (Arc::clone(hit.list), hit.line)));
        let expected = trie.get_lpm(&asked.into());
        let expected = expected.map(|(network, origin)| (network, origin.clone()));
        assert_eq!(found, expected, "{asked}");
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
            // What IPv6 maps of IPv4 is looked up as IPv4, which the trie does not do.
            [first, last, before, after].map(|addr| match addr.to_ipv4_mapped() {
                Some(_) => first.into(),
                None => addr.into(),
            })
        }
        _ => unreachable!("a network is of one family"),
    }
}

fn v4(addr: u32, bits: u8) -> IpNet {
    let net = Ipv4Net::new(Ipv4Addr::from_bits(addr), bits).unwrap();
    net.trunc().into()
}

fn v6(addr: u128, bits: u8) -> IpNet {
    let net = Ipv6Net::new(Ipv6Addr::from_bits(addr), bits).unwrap();
    net.trunc().into()
}

/// Addresses around a few points, so that networks lie in one another and beside one another.
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
    fn finds_what_a_trie_finds(
        v4s in vec((near_v4(), 1..=32_u8), 0..40),
        v6s in vec((near_v6(), 1..=128_u8), 0..40),
        strangers in vec(any::<Ipv4Addr>(), 20),
    ) {
        let v4s = v4s.into_iter().map(|(addr, bits)| v4(addr, bits));
        let v6s = v6s.into_iter().map(|(addr, bits)| v6(addr, bits));
        let strangers: Vec<_> = strangers.into_iter().map(IpAddr::V4).collect();
        agrees_with_a_trie(&v4s.chain(v6s).collect::<Vec<_>>(), &strangers);
    }
}

#[test]
fn finds_what_a_trie_finds_through_an_index() {
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

#[test]
fn a_million_networks_fit_into_tens_of_megabytes() {
    let count = 1_000_000;
    let hosts = scattered(count).map(|number| v4(number, 32));
    let subnets = scattered(count).map(|number| v6(u128::from(number) << 64, 64));
    let lists = [List::inline("v4", hosts), List::inline("v6", subnets)];
    let ranges = IpRanges::build(&lists).unwrap();

    assert_eq!(ranges.len(), 2_000_000);
    assert_eq!(ranges.memory(), 12_000_000 + 24_000_000 + 2 * 4 * 65_537);
    for (line, number) in (1..).zip(scattered(count + 1000)).skip(999_000) {
        let expected = (line <= count).then_some(line);
        let host = Ipv4Addr::from_bits(number);
        let guest = Ipv6Addr::from_bits(u128::from(number) << 64 | 1);
        assert_eq!(ranges.find(host.into()).map(|hit| hit.line), expected);
        assert_eq!(ranges.find(guest.into()).map(|hit| hit.line), expected);
    }
}
