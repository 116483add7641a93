//! Ban lists that cover allowed or protected addresses are refused, with line and help.

use std::{fmt::Write as _, sync::Arc};

use gabion_policy::{PolicyHandle, PolicyOptions, ShrinkGuard, check};

use crate::{handle::EventLog, scratch::ScratchDir};

const POLICY: &str = "version = 1
[client]
trusted_proxies = ['172.31.0.0/16']
[allow]
networks = ['203.0.113.7']
[ban]
files = ['drop.txt']
";

/// The errors of a policy with this list; empty if it is valid.
fn errors(policy: &str, list: &str) -> String {
    let scratch = ScratchDir::new();
    scratch.write("drop.txt", list);
    match check(policy, "policy.toml", Some(&scratch.path(""))) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn rejected_list_is_reported_at_its_entry_with_its_own_line() {
    for (list, message, help) in [
        (
            "192.0.2.1\n203.0.113.0/24\n",
            "drop.txt:2: `203.0.113.0/24` covers `203.0.113.7/32`, which is in [allow]",
            "a list file accepts `a-b`",
        ),
        (
            "172.31.7.0/24",
            "drop.txt:1: `172.31.7.0/24` would ban a trusted proxy, and with it all clients behind it",
            "",
        ),
        (
            "# bogons\n10.0.0.0/8",
            "drop.txt:2: `10.0.0.0/8` would ban private addresses",
            "set `private = true` in [client]",
        ),
        (
            "127.0.0.1",
            "drop.txt:1: `127.0.0.1/32` would ban this host",
            "",
        ),
        (
            "32.0.0.0/4",
            "drop.txt:1: the list covers 6.2% of IPv4",
            "set a larger `max_share` in [ban]",
        ),
    ] {
        let errors = errors(POLICY, list);
        assert!(
            errors.contains(message) && errors.contains(help),
            "{list}: {errors}"
        );
        assert!(errors.contains("policy.toml:7:10"), "{errors}");
    }
}

#[test]
fn inline_network_is_checked_like_a_list() {
    let inline = "version = 1\n[ban]\nnetworks = ['192.0.2.1', '192.168.1.0/24']\n";
    let errors = errors(inline, "");
    assert!(errors.contains("policy.toml:3:26"), "{errors}");
    assert!(
        errors.contains("ban.networks:2: `192.168.1.0/24` would ban private"),
        "{errors}"
    );
}

#[test]
fn configured_exceptions_are_accepted() {
    let private = POLICY.replace("[client]", "[client]\nprivate = true");
    assert_eq!(errors(&private, "10.0.0.0/8"), "");
    let wide = format!("{POLICY}max_share = '7%'\n");
    assert_eq!(errors(&wide, "32.0.0.0/4"), "");
    assert_eq!(
        errors(POLICY, "203.0.113.0-203.0.113.6\n203.0.113.8-203.0.113.255"),
        ""
    );
}

#[test]
fn invalid_list_is_reported_once() {
    let errors = errors(POLICY, "lan");
    assert_eq!(errors.matches("error:").count(), 1, "{errors}");
}

#[test]
fn list_that_changes_by_over_30_percent_is_refused_unless_accepted() {
    let list = |networks: u32| {
        let mut text = String::new();
        for number in 0..networks {
            let [_, _, high, low] = number.to_be_bytes();
            writeln!(text, "198.51.{high}.{low}").unwrap();
        }
        text
    };
    for (old, new, is_refused) in [
        (1000, 1300, false),
        (1000, 1301, true),
        (1000, 700, false),
        (1000, 699, true),
        (10, 110, false),
        (10, 111, true),
        (0, 1000, false),
    ] {
        for shrink in [ShrinkGuard::Refuse, ShrinkGuard::Accept] {
            let scratch = ScratchDir::new();
            let path = scratch.write("policy.toml", POLICY);
            scratch.write("drop.txt", list(old));
            let options =
                PolicyOptions::new(Arc::new(EventLog::default())).with_shrink_guard(shrink);
            let policy = PolicyHandle::open(path, options).unwrap();
            scratch.write("drop.txt", list(new));
            let outcome = policy.reload().map_err(|error| error.to_string());
            if is_refused && shrink == ShrinkGuard::Refuse {
                let message = format!("list `drop.txt` changes from {old} to {new} networks");
                let errors = outcome.unwrap_err();
                assert!(
                    errors.contains(&message) && errors.contains("--accept-shrink"),
                    "{errors}"
                );
            } else {
                assert!(outcome.is_ok(), "{old} to {new}, {shrink:?}: {outcome:?}");
            }
        }
    }
}

#[test]
fn public_trusted_proxy_gets_a_warning() {
    for (network, public) in [
        ("203.0.113.0/24", true),
        ("10.0.0.0/7", true),
        ("0.0.0.0/1", true),
        ("10.0.0.0/8", false),
    ] {
        let text = format!("version = 1\n[client]\ntrusted_proxies = ['{network}']\n");
        let warned = check(&text, "policy.toml", None).unwrap().warnings;
        let warned = warned
            .iter()
            .any(|warning| warning.to_string().contains("includes public addresses"));
        assert_eq!(warned, public, "{network}");
    }
}

#[test]
fn trusted_headers_without_a_trusted_proxy_get_a_warning() {
    for (client, useless) in [
        ("trusted_headers = ['x-real-ip']", true),
        ("trusted_headers = []", true),
        (
            "trusted_headers = ['x-real-ip']\ntrusted_proxies = ['10.0.0.1']",
            false,
        ),
        ("", false),
    ] {
        let text = format!("version = 1\n[client]\n{client}\n");
        let warned = check(&text, "policy.toml", None).unwrap().warnings;
        let warned = warned
            .iter()
            .any(|warning| warning.message().contains("no effect"));
        assert_eq!(warned, useless, "{client}");
    }
}
