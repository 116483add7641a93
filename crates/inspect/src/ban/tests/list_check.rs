use gabion_core::ClientRules;
use ipnet::IpNet;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{v4, v6};
use crate::{AddressShare, List, ListCheck};

const SAFE: [&str; 3] = ["203.0.113.7/32", "198.51.100.0/24", "2001:db8::/48"];

fn problems(clients: &ClientRules, most: &str, text: &str) -> Vec<(u32, String)> {
    check(clients, most, &List::parse("f", text).unwrap())
}

fn check(clients: &ClientRules, most: &str, list: &List) -> Vec<(u32, String)> {
    let safe = SAFE.map(|net| net.parse().unwrap());
    let check = ListCheck::new(clients, safe, most.parse().unwrap());
    let found = check.problems(list).into_iter();
    found.map(|(line, why)| (line, why.to_string())).collect()
}

fn clients() -> ClientRules {
    let proxies = ["172.31.0.0/16", "192.0.2.128/25"].map(|net| net.parse().unwrap());
    ClientRules::default().with_trusted(proxies).unwrap()
}

#[test]
fn list_that_covers_protected_networks_is_rejected_with_its_line() {
    let covers =
        |network: &str, safe: &str| format!("`{network}` covers `{safe}`, which is in [allow]");
    let hits = |network: &str, protected: &str| format!("`{network}` would ban {protected}");
    let proxy = "a trusted proxy, and with it all clients behind it";
    let private = "private addresses, which your proxy may have";
    for (text, line, why) in [
        (
            "\n203.0.113.7",
            2,
            covers("203.0.113.7/32", "203.0.113.7/32"),
        ),
        (
            "203.0.113.0/24",
            1,
            covers("203.0.113.0/24", "203.0.113.7/32"),
        ),
        (
            "198.51.96.0/20",
            1,
            covers("198.51.96.0/20", "198.51.100.0/24"),
        ),
        ("2001:db8::/32", 1, covers("2001:db8::/32", "2001:db8::/48")),
        ("192.0.2.255", 1, hits("192.0.2.255/32", proxy)),
        ("192.0.2.0/24", 1, hits("192.0.2.0/24", proxy)),
        ("# a\n127.0.0.0/8", 2, hits("127.0.0.0/8", "this host")),
        ("10.1.2.3", 1, hits("10.1.2.3/32", private)),
        ("192.0.2.1\nfd00::/8", 2, hits("fd00::/8", private)),
    ] {
        assert_eq!(problems(&clients(), "5%", text), [(line, why)], "{text}");
    }
}

#[test]
fn sound_list_has_no_problems() {
    for text in [
        "",
        "203.0.113.6\n203.0.113.8/29\n192.0.2.0/25\n2001:db9::/32",
        "198.51.100.7 # a part of an allowed network",
        "192.167.255.255\n192.169.0.0/16\nfec0::/16",
    ] {
        assert_eq!(problems(&clients(), "5%", text), [], "{text}");
    }
    let intranet = clients().with_private_clients(true);
    assert_eq!(problems(&intranet, "5%", "10.0.0.0/8\n192.168.1.1"), []);
    assert_eq!(problems(&intranet, "5%", "172.31.0.1\n::1").len(), 1);
}

#[test]
fn each_kind_of_problem_is_reported_once() {
    let text = "10.0.0.1\n10.0.0.2\n203.0.113.7\n128.0.0.0/2\n2000::/3\n";
    let found = problems(&clients(), "5%", text);
    let lines: Vec<_> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 1, 4, 5], "{found:#?}");
}

#[test]
fn list_over_the_share_of_a_family_is_rejected() {
    // A /5 of IPv4 is 3.125 %.
    for (text, most, expected) in [
        ("8.0.0.0/6\n12.0.0.0/6", "4%", None),
        ("8.0.0.0/5\n9.0.0.0/8\n8.0.0.0/5", "4%", None),
        ("24.0.0.0/5\n8.0.0.0/8\n16.0.0.0/5", "6%", Some(3)),
        ("24.0.0.0/5\n8.0.0.0/8\n16.0.0.0/5", "7%", None),
        ("2a00::/13\n2600::/13", "12%", Some(2)),
        ("2a00::/13\n2600::/13", "13%", None),
        ("# all\n0.0.0.0-223.255.255.255", "87%", Some(2)),
    ] {
        let found = problems(
            &ClientRules::default().with_private_clients(true),
            most,
            text,
        );
        let wide = found
            .iter()
            .find(|(_, why)| why.contains("the list covers"));
        assert_eq!(wide.map(|(line, _)| *line), expected, "{text}: {found:?}");
    }
    assert_eq!(
        problems(&clients(), "5%", "24.0.0.0/5\n8.0.0.0/7\n16.0.0.0/5"),
        [(
            3,
            "the list covers 7.0% of IPv4 (widest network: `16.0.0.0/5`), over the limit of 5%"
                .to_owned()
        )]
    );
}

#[test]
fn share_parses_and_prints() {
    for text in ["1%", "5%", "100%"] {
        assert_eq!(text.parse::<AddressShare>().unwrap().to_string(), text);
    }
    for text in ["", "5", "0%", "101%", "-1%", "1.5%", "%", "5 %%"] {
        assert!(text.parse::<AddressShare>().is_err(), "{text}");
    }
}

/// The lines of the problems of `list`, found by comparing each network with each other one.
fn lines_by_comparison(clients: &ClientRules, most: u128, list: &List) -> Vec<u32> {
    let safe = SAFE.map(|net| net.parse::<IpNet>().unwrap());
    let first = |is_wrong: &dyn Fn(IpNet) -> bool| {
        let mut networks = list.networks();
        networks.find_map(|(network, line)| is_wrong(network).then_some(line))
    };
    let covers = first(&|network| safe.iter().any(|safe| network.contains(safe)));
    let hits = first(&|network| clients.protects(network).is_some());

    let too_wide = |is_v4: bool, of: u128| {
        let family = |(network, _): &(IpNet, u32)| matches!(network, IpNet::V4(_)) == is_v4;
        let public = |(network, _): &(IpNet, u32)| !ClientRules::is_inside(*network);
        let networks: Vec<_> = list.networks().filter(family).filter(public).collect();
        let counted = networks.iter().enumerate().filter(|(index, (network, _))| {
            let mut others = networks.iter().enumerate();
            // Of equal networks, the first is counted.
            !others.any(|(other, (wider, _))| {
                wider.contains(network) && (wider != network || other < *index)
            })
        });
        let size = |net: &IpNet| 1_u128 << (net.max_prefix_len() - net.prefix_len());
        let sizes = counted.map(|(_, (network, _))| size(network));
        // Both halves of the address space are one more than the largest number.
        let covered = sizes.fold(0, u128::saturating_add);
        let widest = networks
            .iter()
            .min_by_key(|(net, line)| (net.prefix_len(), *net, *line));
        (covered > of / 100 * most).then(|| widest.unwrap().1)
    };
    let wide = [too_wide(true, 1 << 32), too_wide(false, 1 << 119)];
    [covers, hits].into_iter().chain(wide).flatten().collect()
}

fn near_special() -> impl Strategy<Value = IpNet> {
    let v4_points = [
        0,
        0x0a00_0000,
        0x7f00_0001,
        0x6440_0000,
        0xcb00_7107,
        0xc633_6400,
        0x0800_0000,
    ];
    let v6_points = [
        0,
        1,
        0xfc << 120,
        0xfe80 << 112,
        0x2001_0db8 << 96,
        0x26 << 120,
    ];
    let v4s = (select(v4_points.to_vec()), 0..32_u32, 1..=32_u8);
    let v6s = (select(v6_points.to_vec()), 0..128_u32, 1..=128_u8);
    prop_oneof![
        v4s.prop_map(|(near, flipped, bits)| v4(near ^ 1 << flipped, bits)),
        v6s.prop_map(|(near, flipped, bits)| v6(near ^ 1 << flipped, bits)),
    ]
}

proptest! {
    #[test]
    fn problems_are_those_found_by_comparison(
        networks in vec(near_special(), 0..12),
        trusted in vec(near_special(), 0..3),
        private in any::<bool>(),
        most in 1..=100_u8,
    ) {
        let clients = ClientRules::default().with_trusted(trusted).unwrap();
        let clients = clients.with_private_clients(private);
        let list = List::inline("f", networks);
        let found = check(&clients, &format!("{most}%"), &list);
        let lines: Vec<_> = found.into_iter().map(|(line, _)| line).collect();
        prop_assert_eq!(lines, lines_by_comparison(&clients, most.into(), &list));
    }
}
