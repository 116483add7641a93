//! A client that offends again is banned for longer, and neighbors that offend can ban their network.

use std::time::Duration;

use gabion::event::{BanChange, Event};

use crate::support::in_process::{InProcess, banned, get, guarded, probe};

const POLICY: &str = r#"
    version = 1
    [ban]
    first = "10m"
    growth = 6
    longest = "2d"
    [ban.neighbors]
    clients = 3
    [[deny]]
    id = "dotfiles"
    names = [".env"]
    then = "ban"
"#;
const MINUTE: Duration = Duration::from_mins(1);

/// Sends a probe and returns the length of the ban that it places, and its number.
fn offend(server: &InProcess) -> (Duration, u32) {
    let answer = server.send(probe("/.env"));
    let ban = answer.events.iter().find_map(|event| match event {
        Event::Ban(ban) if ban.change == BanChange::Placed => Some(ban),
        _ => None,
    });
    let ban = ban.unwrap_or_else(|| panic!("no ban: {:?}", answer.event_texts()));
    (ban.offense.ban_for, ban.offenses)
}

#[test]
fn client_that_comes_back_is_banned_for_longer() {
    let server = guarded(POLICY);
    for (number, least, most) in [(1, 10, 10), (2, 60, 75), (3, 360, 450), (4, 2160, 2700)] {
        let (length, offenses) = offend(&server);
        assert_eq!(offenses, number);
        assert!(
            (least * MINUTE..=most * MINUTE).contains(&length),
            "ban {number} lasts {length:?}"
        );
        server.clock.advance(length.checked_sub(MINUTE).unwrap());
        assert_eq!(server.verdict("/"), "403 ban/timed", "ban {number}");
        server.clock.advance(MINUTE);
        assert_eq!(server.verdict("/"), "200", "after ban {number}");
    }
    let (length, _) = offend(&server);
    assert_eq!(length, 2 * 24 * 60 * MINUTE, "the longest");
}

#[test]
fn old_offenses_are_forgotten() {
    let server = guarded(POLICY);
    offend(&server);
    server.clock.advance(8 * 24 * 60 * MINUTE);
    assert_eq!(offend(&server), (10 * MINUTE, 1), "as on the first day");
}

fn offend_from_neighbors(policy: &str) -> (InProcess, Vec<BanChange>) {
    let server = guarded(policy);
    let mut last = Vec::new();
    for host in 1..=3 {
        let client = format!("203.0.113.{host}");
        last = server.send(probe("/.env").from(&client)).bans();
    }
    (server, last)
}

#[test]
fn offending_neighbors_ban_their_network_if_the_policy_says_so() {
    let network = "203.0.113.0/24".parse().unwrap();
    let (server, changes) = offend_from_neighbors(POLICY);
    assert_eq!(
        changes,
        [BanChange::Placed, BanChange::SurroundingObserved(network)]
    );
    assert_eq!(server.verdict(get("/").from("203.0.113.99")), "200");

    let enforced = POLICY.replace("clients = 3", "clients = 3\nmode = 'enforce'");
    let (server, changes) = offend_from_neighbors(&enforced);
    assert_eq!(
        changes,
        [BanChange::Placed, BanChange::Surrounding(network)]
    );
    let neighbor = || get("/").from("203.0.113.99");
    assert_eq!(server.verdict(neighbor()), "403 ban/timed");
    assert_eq!(server.verdict(get("/").from("203.0.114.99")), "200");
    assert!(banned(&server).contains(&network.to_string()));
    server.clock.advance(10 * MINUTE);
    assert_eq!(server.verdict(neighbor()), "200");
}

#[test]
fn network_that_others_share_is_never_banned() {
    let enforced = POLICY.replace("clients = 3", "clients = 3\nmode = 'enforce'");
    let excepted = enforced.replace("clients = 3", "clients = 3\nexcept = ['203.0.113.128/25']");
    let (_, changes) = offend_from_neighbors(&excepted);
    assert_eq!(changes, [BanChange::Placed]);

    // A visitor in good standing: behind the same carrier, for example.
    let server = guarded(&enforced);
    for page in 0..12 {
        let visit = get(&format!("/page{page}")).from("203.0.113.99");
        assert_eq!(server.verdict(visit), "200");
    }
    for host in 1..=8 {
        let client = format!("203.0.113.{host}");
        let changes = server.send(probe("/.env").from(&client)).bans();
        assert_eq!(changes, [BanChange::Placed], "{client}");
    }
    assert_eq!(server.verdict(get("/").from("203.0.113.99")), "200");
}

#[test]
fn proxy_in_a_banned_network_is_not_banned() {
    let policy = POLICY.replace("clients = 3", "clients = 3\nmode = 'enforce'");
    let policy = policy.replace(
        "[ban]",
        "[client]\ntrusted_proxies = ['203.0.113.250']\n[ban]",
    );
    let (server, changes) = offend_from_neighbors(&policy);
    assert_eq!(changes.len(), 2, "the network is banned: {changes:?}");
    for (client, verdict) in [("203.0.113.249", "403 ban/timed"), ("203.0.113.250", "200")] {
        assert_eq!(server.verdict(get("/").from(client)), verdict, "{client}");
    }
}
