//! A ban list that would ban protected addresses never comes into force, and neither does one that
//! changed too much.

use gabion_testkit::TempFolder;
use std::fmt::Write as _;

use crate::support::in_process::{InProcess, build_guarded, get};

const POLICY: &str = r#"version = 1
[client]
trusted_proxies = ["172.31.0.0/16"]
[allow]
networks = ["203.0.113.7"]
[ban]
files = ["feed.json"]
"#;

/// A feed in the JSON Lines format of Spamhaus.
fn feed<'n>(networks: impl IntoIterator<Item = &'n str>) -> String {
    let mut text = String::new();
    for network in networks {
        writeln!(text, r#"{{"cidr":"{network}","sblid":"SBL1"}}"#).unwrap();
    }
    text + "{\"type\":\"metadata\",\"records\":1}\n"
}

fn server(test: &str) -> (InProcess, TempFolder) {
    let folder = TempFolder::new(test);
    folder.write("feed.json", &feed(["198.51.100.0/24"]));
    let policy = folder.write("policy.toml", POLICY);
    (
        build_guarded(|guard| guard.with_policy_file(policy)),
        folder,
    )
}

#[test]
fn rejected_list_leaves_the_old_one_in_force() {
    let (server, folder) = server("senseless_list");
    for (network, why) in [
        (
            "203.0.113.0/24",
            "`203.0.113.0/24` covers `203.0.113.7/32`, which is in [allow]",
        ),
        (
            "172.31.0.1",
            "`172.31.0.1/32` would ban a trusted proxy, and with it all clients behind it",
        ),
        (
            "192.168.0.0/16",
            "`192.168.0.0/16` would ban private addresses",
        ),
        ("127.0.0.0/8", "`127.0.0.0/8` would ban this host"),
        ("96.0.0.0/3", "the list covers 12.5% of IPv4"),
        ("0.0.0.0/0", "`0.0.0.0/0` covers the whole address space"),
    ] {
        folder.write("feed.json", &feed(["192.0.2.1", network]));
        let error = server
            .guard
            .policy_handle()
            .reload()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("feed.json:2:") && error.contains(why),
            "{error}"
        );
        assert_eq!(
            server.verdict(get("/").from("198.51.100.7")),
            "403 ban/list"
        );
        assert_eq!(server.verdict(get("/").from("192.0.2.1")), "200");
    }
    folder.write("feed.json", &feed(["192.0.2.1"]));
    server.guard.policy_handle().reload().unwrap();
    assert_eq!(server.verdict(get("/").from("192.0.2.1")), "403 ban/list");
}

#[test]
fn list_that_changed_too_much_waits_for_acceptance() {
    let (server, folder) = server("list_grows");
    let many: Vec<_> = (0..=255).map(|last| format!("192.0.2.{last}")).collect();
    folder.write("feed.json", &feed(many.iter().map(String::as_str)));
    let error = server
        .guard
        .policy_handle()
        .reload()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("list `feed.json` changes from 1 to 256 networks"),
        "{error}"
    );
    assert!(error.contains("--accept-shrink"), "{error}");
    assert_eq!(server.verdict(get("/").from("192.0.2.7")), "200");
    assert_eq!(
        server.verdict(get("/").from("198.51.100.7")),
        "403 ban/list"
    );
}
