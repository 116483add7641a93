//! A ban list that would hit the wrong ones is refused, with the line and the way to say it anyway.

use std::{fmt::Write as _, sync::Arc};

use gabion_policy::{PolicyHandle, PolicyOptions, ShrinkGuard, check};

use crate::{handle::Ear, scratch::Scratch};

const POLICY: &str = "version = 1
[client]
trusted_proxies = ['172.31.0.0/16']
[allow]
networks = ['203.0.113.7']
[ban]
files = ['drop.txt']
";

/// What is wrong with this list.
fn told(policy: &str, list: &str) -> String {
    let scratch = Scratch::new();
    scratch.write("drop.txt", list);
    match check(policy, "policy.toml", Some(&scratch.path(""))) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn senseless_list_is_told_at_its_entry_with_its_own_line() {
    for (list, why, help) in [
        (
            "192.0.2.1\n203.0.113.0/24\n",
            "drop.txt:2: 203.0.113.0/24 covers 203.0.113.7/32, which [allow] lets through",
            "a file takes ranges",
        ),
        (
            "172.31.7.0/24",
            "drop.txt:1: 172.31.7.0/24 would ban a trusted proxy, and everyone behind it",
            "",
        ),
        (
            "# bogons\n10.0.0.0/8",
            "drop.txt:2: 10.0.0.0/8 would ban private addresses",
            "say `private = true` in [client]",
        ),
        (
            "127.0.0.1",
            "drop.txt:1: 127.0.0.1/32 would ban this host",
            "",
        ),
        (
            "32.0.0.0/4",
            "drop.txt:1: the list covers 6.2% of IPv4",
            "say a larger `max_share` in [ban]",
        ),
    ] {
        let told = told(POLICY, list);
        assert!(told.contains(why) && told.contains(help), "{list}: {told}");
        assert!(told.contains("policy.toml:7:10"), "{told}");
    }
}

#[test]
fn inline_network_is_held_to_the_same() {
    let inline = "version = 1\n[ban]\nnetworks = ['192.0.2.1', '192.168.1.0/24']\n";
    let told = told(inline, "");
    assert!(told.contains("policy.toml:3:26"), "{told}");
    assert!(
        told.contains("ban.networks:2: 192.168.1.0/24 would ban private"),
        "{told}"
    );
}

#[test]
fn what_is_meant_can_be_said() {
    let private = POLICY.replace("[client]", "[client]\nprivate = true");
    assert_eq!(told(&private, "10.0.0.0/8"), "");
    let wide = format!("{POLICY}max_share = '7%'\n");
    assert_eq!(told(&wide, "32.0.0.0/4"), "");
    assert_eq!(
        told(POLICY, "203.0.113.0-203.0.113.6\n203.0.113.8-203.0.113.255"),
        ""
    );
}

#[test]
fn list_that_cannot_be_read_is_told_once() {
    let told = told(POLICY, "lan");
    assert_eq!(told.matches("error:").count(), 1, "{told}");
}

#[test]
fn list_that_grows_or_shrinks_by_much_waits_to_be_accepted() {
    let list = |networks: u32| {
        let mut text = String::new();
        for number in 0..networks {
            let [_, _, high, low] = number.to_be_bytes();
            writeln!(text, "198.51.{high}.{low}").unwrap();
        }
        text
    };
    for (was, now, kept) in [
        (1000, 1300, false),
        (1000, 1301, true),
        (1000, 700, false),
        (1000, 699, true),
        (10, 110, false),
        (10, 111, true),
        (0, 1000, false),
    ] {
        for shrink in [ShrinkGuard::Refuse, ShrinkGuard::Accept] {
            let scratch = Scratch::new();
            let path = scratch.write("policy.toml", POLICY);
            scratch.write("drop.txt", list(was));
            let options = PolicyOptions::new(Arc::new(Ear::default())).with_shrink_guard(shrink);
            let live = PolicyHandle::open(path, options).unwrap();
            scratch.write("drop.txt", list(now));
            let outcome = live.reload().map_err(|error| error.to_string());
            if kept && shrink == ShrinkGuard::Refuse {
                let why = format!("list `drop.txt` would go from {was} to {now} networks");
                let told = outcome.unwrap_err();
                assert!(
                    told.contains(&why) && told.contains("--accept-shrink"),
                    "{told}"
                );
            } else {
                assert!(outcome.is_ok(), "{was} to {now}, {shrink:?}: {outcome:?}");
            }
        }
    }
}

#[test]
fn public_proxies_are_warned_of() {
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
            .any(|warning| warning.to_string().contains("could have anyone banned"));
        assert_eq!(warned, public, "{network}");
    }
}
