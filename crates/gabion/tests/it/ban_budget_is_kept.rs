//! Rules ban no more clients than the ban budget of the policy. Beyond it they deny, and report
//! once a minute.

use std::time::Duration;

use gabion::event::BanChange;

use crate::support::in_process::{InProcess, banned, get, guarded};

const POLICY: &str = r#"
    version = 1
    [ban]
    most_per_minute = MINUTE
    most_percent = PERCENT
    [[deny]]
    id = "dotfiles"
    names = [".env"]
    then = "ban 1h"
"#;

fn policy(minute: u32, percent: u8) -> String {
    let policy = POLICY.replace("MINUTE", &minute.to_string());
    policy.replace("PERCENT", &percent.to_string())
}

/// A client in a network of its own.
fn scanner(number: u32) -> String {
    format!("198.{}.{}.9", 18 + number / 256, number % 256)
}

/// The ban changes caused by these clients, each of which sends three requests that a page could have
/// caused, and that ban together.
#[track_caller]
fn scanners(server: &InProcess, numbers: std::ops::Range<u32>) -> Vec<Vec<BanChange>> {
    let scan = |number: u32| {
        let client = scanner(number);
        let probe = |path| server.send(get(&format!("/{path}/.env")).from(&client));
        for path in 1..3 {
            assert_eq!(probe(path).verdict(), "403 dotfiles", "{client}");
        }
        let answer = probe(3);
        assert_eq!(answer.verdict(), "403 dotfiles", "{client}");
        answer.bans()
    };
    numbers.map(scan).collect()
}

/// Returns `true` if one request that no page can cause bans this client.
#[track_caller]
fn is_banned_by_one_request(server: &InProcess, client: &str) -> bool {
    let answer = server.send(get("/.env").method("PUT").from(client));
    assert_eq!(answer.verdict(), "403 dotfiles", "{client}");
    answer.bans().contains(&BanChange::Placed)
}

/// The number of these clients that one request bans.
fn banned_by_one_request(server: &InProcess, clients: impl Iterator<Item = String>) -> usize {
    let banned = clients.filter(|client| is_banned_by_one_request(server, client));
    banned.count()
}

#[test]
fn bans_beyond_the_budget_per_minute_are_withheld_and_reported_once() {
    let server = guarded(&policy(5, 100));
    for minute in 0..3 {
        let first = minute * 20;
        let changes = scanners(&server, first..first + 10);
        assert_eq!(changes[..5], vec![vec![BanChange::Placed]; 5]);
        match &changes[5][..] {
            [BanChange::Withheld(why)] => assert!(why.contains("most_per_minute"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(changes[6..], vec![vec![]; 4], "and then no more");
        assert_eq!(banned(&server).len(), 5 * (minute as usize + 1));
        server.clock.advance(Duration::from_mins(1));
    }
    let standing = server.send(get("/").from(&scanner(0)));
    assert_eq!(standing.verdict(), "403 ban/timed", "earlier bans stay");
}

#[test]
fn banned_share_of_the_clients_is_bounded() {
    let server = guarded(&policy(10_000, 10));
    for number in 0..400_u32 {
        let client = format!("192.0.{}.{}", 2 + number / 250, number % 250);
        assert_eq!(server.verdict(get("/").from(&client)), "200");
    }
    scanners(&server, 0..200);
    let banned = banned(&server).len();
    assert!((38..=62).contains(&banned), "{banned} of about 600");
}

#[test]
fn share_does_not_apply_to_few_clients() {
    let server = guarded(&policy(10_000, 1));
    scanners(&server, 0..40);
    assert_eq!(banned(&server).len(), 40);
}

#[test]
fn reload_applies_the_new_budget() {
    let server = guarded(&policy(1, 100));
    scanners(&server, 0..3);
    assert_eq!(banned(&server).len(), 1);
    server
        .guard
        .policy_handle()
        .replace(&policy(100, 100))
        .unwrap();
    server.events.take();
    scanners(&server, 3..6);
    assert_eq!(banned(&server).len(), 4);
    assert!(
        server
            .guard
            .policy_handle()
            .replace(&policy(1, 101))
            .is_err()
    );
}

#[test]
fn offenses_from_one_network_do_not_use_up_the_budget() {
    for attacker in ["198.51.100.7", "2001:db8:ffff::7"] {
        let server = guarded(&policy(60, 20));
        let one_network = (0..80).map(|number| format!("2001:db8:1:{number:x}::9"));
        assert_eq!(banned_by_one_request(&server, one_network), 16);
        assert!(is_banned_by_one_request(&server, attacker), "{attacker}");
    }
}

#[test]
fn offenses_from_many_networks_do_not_use_up_the_budget() {
    let server = guarded(&policy(60, 20));
    let networks = (0..80).map(|number| format!("2001:db8:{number:x}::9"));
    assert_eq!(banned_by_one_request(&server, networks), 80);
    assert!(is_banned_by_one_request(&server, "198.51.100.7"));
}

#[test]
fn forgeable_offenses_do_not_use_up_the_budget_of_certain_ones() {
    let server = guarded(&policy(5, 20));
    scanners(&server, 0..50);
    assert_eq!(banned(&server).len(), 5);
    assert!(is_banned_by_one_request(&server, "198.51.100.7"));
}

#[test]
fn forged_addresses_are_banned_in_a_bounded_number_and_few_per_network() {
    let policy = policy(60, 20) + "[client]\ntrusted_proxies = ['10.0.0.0/8']\nhops = 2\n";
    let server = guarded(&policy);
    for number in 0..20_000_u32 {
        let forged = format!("198.18.{}.{}", number % 100, number / 100);
        let request = get("/.env").method("PUT").from("10.0.0.7");
        server.send(request.xff(&format!("{forged}, 203.0.113.9")));
    }
    let banned = banned(&server);
    assert_eq!(banned.len(), 600, "ten times `most_per_minute`");
    for network in 0..100 {
        let prefix = format!("198.18.{network}.");
        let inside = banned.iter().filter(|client| client.starts_with(&prefix));
        assert!(inside.count() <= 16, "{prefix}");
    }
}

#[test]
fn clients_that_use_the_service_are_banned_up_to_the_share_only() {
    let server = guarded(&policy(10_000, 20));
    let users = || (0..200).map(scanner);
    for user in users() {
        assert_eq!(server.verdict(get("/").from(&user)), "200");
    }
    let banned = banned_by_one_request(&server, users());
    assert!((38..=42).contains(&banned), "{banned} of 200");
    assert!(is_banned_by_one_request(&server, "198.51.100.7"), "no user");
}
