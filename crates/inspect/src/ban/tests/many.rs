//! Lists of a million networks, including adversarial ones.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{addr, scattered, v4, v6};
use crate::{IpRanges, List};

/// The size of an index of 18 bits, in bytes.
const HEADS: usize = 4 * ((1 << 18) + 1);

#[test]
fn a_million_networks_fit_into_tens_of_megabytes() {
    let count = 1_000_000;
    let hosts = scattered(count).map(|number| v4(number, 32));
    let subnets = scattered(count).map(|number| v6(u128::from(number) << 64, 64));
    let lists = [List::inline("v4", hosts), List::inline("v6", subnets)];
    let ranges = IpRanges::build(&lists).unwrap();

    assert_eq!(ranges.len(), 2_000_000);
    // 9 bytes each, on average: a record is as wide as its numbers.
    let most = 8_000_000 + 12_000_000 + 2 * HEADS;
    assert!(ranges.memory() <= most, "{}", ranges.memory());
    for (line, number) in (1..).zip(scattered(count + 1000)).skip(999_000) {
        let expected = (line <= count).then_some(line);
        let host = Ipv4Addr::from_bits(number);
        let guest = Ipv6Addr::from_bits(u128::from(number) << 64 | 1);
        assert_eq!(ranges.find(host.into()).map(|hit| hit.line), expected);
        assert_eq!(ranges.find(guest.into()).map(|hit| hit.line), expected);
    }
}

#[test]
fn a_million_nested_networks_take_two_ranges_each_at_most() {
    let points: Vec<_> = scattered(1_000_000 / 32).collect();
    let nested = |point| (1..=32).map(move |bits| v4(point, bits));
    let list = List::inline("v4", points.iter().copied().flat_map(nested));
    let ranges = IpRanges::build(&[list]).unwrap();
    assert!(ranges.memory() <= 2 * 8 * ranges.len() + HEADS * 3);
    for &point in &points {
        let found = ranges.find(Ipv4Addr::from_bits(point).into()).unwrap();
        assert_eq!(found.network, v4(point, 32));
    }

    let long = |point| u128::from(point) << 96 | u128::from(point);
    let nested = |point| (1..=128).map(move |bits| v6(long(point), bits));
    let list = List::inline(
        "v6",
        points
            .iter()
            .copied()
            .take(1_000_000 / 128)
            .flat_map(nested),
    );
    let ranges = IpRanges::build(&[list]).unwrap();
    assert!(ranges.memory() <= 2 * 20 * ranges.len() + HEADS * 3);
    for &point in points.iter().take(1_000_000 / 128) {
        let found = ranges
            .find(Ipv6Addr::from_bits(long(point)).into())
            .unwrap();
        assert_eq!(found.network, v6(long(point), 128));
    }
}

#[test]
fn all_networks_of_one_sixteenth_are_found() {
    let all = (16..=32_u8).flat_map(|bits| {
        let step = 1_u32.checked_shl(u32::from(32 - bits)).unwrap();
        (0..1 << (bits - 16)).map(move |number| v4(0xc612_0000 + number * step, bits))
    });
    let ranges = IpRanges::build(&[List::inline("crowd", all)]).unwrap();
    assert_eq!(ranges.len(), (1 << 17) - 1);
    for host in 0xc612_0000..=0xc612_ffff {
        let found = ranges.find(Ipv4Addr::from_bits(host).into()).unwrap();
        assert_eq!(found.network, v4(host, 32));
    }
    assert_eq!(ranges.find(addr("198.17.255.255")), None);
    assert_eq!(ranges.find(addr("198.19.0.0")), None);
}
