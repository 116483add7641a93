use std::{sync::Arc, time::Duration};

use gabion_core::{
    ClientRules, Facts, Head, Inspect, Mode, Offense, OffenseRecorder, PeerAddr, RequestState,
    RuleId, Verdict,
};
use http::{HeaderMap, Method, Uri, Version};
use ipnet::IpNet;

use super::{addr, at, client};
use crate::{
    Ban, BanArbiter, BanConfig, BanTable, Config as _, ConfigPath, Context, List, Network, Problem,
    State,
};

fn config(networks: &[&str]) -> BanConfig {
    let networks = networks.iter().map(|text| text.parse::<Network>().unwrap());
    BanConfig {
        networks: networks.collect(),
        ..BanConfig::default()
    }
}

fn lists() -> Vec<List> {
    let file = |name, text| List::parse(name, text).unwrap();
    vec![
        file(
            "drop.netset",
            "# worst\n198.51.100.0/24\n203.0.113.0/24\n127.0.0.1\n",
        ),
        file(
            "more.txt",
            "198.51.100.0/24\n198.51.100.128/25\n2001:db8:0:1::1\n",
        ),
    ]
}

fn context(table: &Arc<BanTable>) -> Context {
    let arbiter = BanArbiter::new(Arc::clone(table), 20);
    Context::new(&State::scratch().with_arbiter(Arc::new(arbiter)))
}

/// A ban inspector whose table has banned 192.0.2.66 and 198.51.100.1 for ten seconds.
fn ban(mode: Mode) -> Ban {
    let table = Arc::new(BanTable::new(10));
    for banned in ["192.0.2.66", "198.51.100.1"] {
        let offense = Offense::certain(RuleId::builtin("dotfiles"), Duration::from_secs(10));
        table.record_offense(&client(addr(banned)), &offense, at(0));
    }
    let config = BanConfig {
        files: ["drop.netset", "more.txt"].into_iter().collect(),
        ..config(&["192.0.2.1", "203.0.113.0/24"])
    };
    config
        .compile(&context(&table).with_lists(lists()).with_mode(mode))
        .unwrap()
}

fn judge(ban: &Ban, peer: &str, now: u64) -> Verdict {
    let (uri, headers) = (Uri::from_static("/"), HeaderMap::new());
    let head = Head {
        method: &Method::GET,
        uri: &uri,
        version: Version::HTTP_11,
        headers: &headers,
        protocol: None,
        framing: gabion_core::Framing::AsShown,
        scheme: gabion_core::Scheme::Plain,
    };
    let peer = PeerAddr::new((addr(peer), 40_000).into());
    let facts = Facts::resolve(head, peer, &ClientRules::default(), at(now));
    ban.inspect(&facts, &mut RequestState::new(&facts))
}

#[test]
fn denial_names_the_network_or_the_rule() {
    let ban = ban(Mode::Enforce);
    for (peer, expected) in [
        (
            "192.0.2.1",
            "rule ban/list: address is in 192.0.2.1/32 (ban.networks:1)",
        ),
        (
            "203.0.113.9",
            "rule ban/list: address is in 203.0.113.0/24 (ban.networks:2)",
        ),
        (
            "198.51.100.1",
            "rule ban/list: address is in 198.51.100.0/24 (drop.netset:2)",
        ),
        (
            "198.51.100.200",
            "rule ban/list: address is in 198.51.100.128/25 (more.txt:2)",
        ),
        (
            "::ffff:198.51.100.1",
            "rule ban/list: address is in 198.51.100.0/24 (drop.netset:2)",
        ),
        (
            "2001:db8:0:1::1",
            "rule ban/list: address is in 2001:db8:0:1::1/128 (more.txt:3)",
        ),
        (
            "127.0.0.1",
            "rule ban/list: address is in 127.0.0.1/32 (drop.netset:4)",
        ),
        (
            "192.0.2.66",
            "rule ban/timed: banned by rule dotfiles for another 6 s",
        ),
    ] {
        let verdict = judge(&ban, peer, 4000);
        assert_eq!(
            verdict.to_string(),
            format!("denied (403): {expected}"),
            "{peer}"
        );
        assert!(verdict.refuses());
    }
}

#[test]
fn other_clients_pass() {
    let ban = ban(Mode::Enforce);
    for peer in ["192.0.2.2", "198.51.101.0", "2001:db8:0:1::2", "::1"] {
        assert_eq!(judge(&ban, peer, 4000), Verdict::Pass, "{peer}");
    }
    assert_eq!(
        judge(&ban, "192.0.2.66", 10_000),
        Verdict::Pass,
        "the ban has ended"
    );
}

#[test]
fn ban_in_observe_mode_does_not_deny() {
    let ban = ban(Mode::Observe);
    for peer in ["192.0.2.1", "192.0.2.66"] {
        let verdict = judge(&ban, peer, 0);
        assert!(matches!(&verdict, Verdict::Deny(denial) if denial.mode == Mode::Observe));
        assert!(!verdict.refuses(), "{peer}");
    }
}

#[test]
fn entries_counts_different_networks() {
    assert_eq!(ban(Mode::Enforce).entries(), 6);
}

#[test]
fn network_of_the_whole_address_space_is_an_error() {
    let config = config(&["0.0.0.0/0", "192.0.2.1", "::/0"]);
    let bans = Arc::new(BanTable::new(1));
    let errors = config.compile(&context(&bans)).unwrap_err();
    let found: Vec<_> = errors
        .into_iter()
        .map(|error| (error.path, error.problem))
        .collect();
    let whole = |entry, net: &str| {
        let net: IpNet = net.parse().unwrap();
        let path = ConfigPath::new("ban", "networks").entry(entry);
        (path, Problem::WholeSpace(net))
    };
    assert_eq!(found, [whole(0, "0.0.0.0/0"), whole(2, "::/0")]);
}

#[test]
fn lists_must_match_those_in_the_config() {
    let path = ConfigPath::new("ban", "files");
    let missing = |entry, name: &str| {
        let problem = Problem::MissingList(name.to_owned());
        (path.entry(entry), problem)
    };
    let unnamed = (path, Problem::UnnamedList("more.txt".to_owned()));
    for (files, expected) in [
        (
            &["drop.netset", "more.txt", "third"][..],
            missing(2, "third"),
        ),
        (&["drop.netset", "third"], missing(1, "third")),
        (&["more.txt", "drop.netset"], missing(0, "more.txt")),
        (&["drop.netset"], unnamed),
    ] {
        let config = BanConfig {
            files: files.iter().copied().collect(),
            ..BanConfig::default()
        };
        let bans = Arc::new(BanTable::new(1));
        let errors = config
            .compile(&context(&bans).with_lists(lists()))
            .unwrap_err();
        let found = errors
            .iter()
            .map(|error| (error.path, error.problem.clone()));
        assert_eq!(found.collect::<Vec<_>>(), [expected], "{files:?}");
    }
}
