//! A header names the client only where a trusted proxy wrote it, and nobody hides behind one.

use gabion::{Event, event::BanChange};

use crate::support::in_process::{Ask, Wall, get};

const POLICY: &str = r#"
    version = 1
    [client]
    trusted_proxies = ["10.0.0.0/8", "172.31.0.0/16", "fd00::/8"]
    header = "HEADER"
    [[deny]]
    id = "probe"
    exact = ["/probe"]
    then = "ban 10m"
"#;

fn wall(header: &str) -> Wall {
    Wall::of(&POLICY.replace("HEADER", header))
}

/// Whom the wall holds responsible for a probe.
fn responsible(wall: &Wall, ask: Ask) -> String {
    match wall.send(ask).events.first() {
        Some(Event::Request(event)) => event.client.to_string(),
        other => panic!("no denial: {other:?}"),
    }
}

#[test]
fn x_forwarded_for_counts_from_the_right_and_from_trusted_peers_only() {
    for (peer, lines, client) in [
        ("198.51.100.1", &["203.0.113.9"][..], "198.51.100.1"),
        ("198.51.100.1", &["203.0.113.9, 10.0.0.1"], "198.51.100.1"),
        ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
        ("fd00::1", &["2001:db8::7"], "2001:db8::7"),
        (
            "10.0.0.1",
            &["6.6.6.6, 203.0.113.9, 172.31.4.4"],
            "203.0.113.9",
        ),
        (
            "10.0.0.1",
            &["6.6.6.6", "203.0.113.9", "172.31.4.4"],
            "203.0.113.9",
        ),
        ("10.0.0.1", &["203.0.113.9:8080"], "203.0.113.9"),
        ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["6.6.6.6, what, 172.31.4.4"], "172.31.4.4"),
        ("10.0.0.1", &["203.0.113.9, \"; drop"], "10.0.0.1"),
        ("10.0.0.1", &[""], "10.0.0.1"),
        ("10.0.0.1", &[], "10.0.0.1"),
    ] {
        let ask = get("/probe").from(peer).header("forwarded", "for=6.6.6.6");
        let ask = lines.iter().copied().fold(ask, Ask::xff);
        assert_eq!(
            responsible(&wall("x-forwarded-for"), ask),
            client,
            "{peer} {lines:?}"
        );
    }
}

#[test]
fn forwarded_counts_where_the_policy_says_so() {
    for (peer, line, client) in [
        ("198.51.100.1", "for=203.0.113.9", "198.51.100.1"),
        ("10.0.0.1", "for=203.0.113.9;proto=https", "203.0.113.9"),
        (
            "10.0.0.1",
            "for=6.6.6.6, for=\"[2001:db8::7]:80\", for=10.1.1.1",
            "2001:db8::7",
        ),
        ("10.0.0.1", "for=_hidden", "10.0.0.1"),
    ] {
        let ask = get("/probe")
            .from(peer)
            .xff("6.6.6.6")
            .header("forwarded", line);
        assert_eq!(
            responsible(&wall("forwarded"), ask),
            client,
            "{peer} {line}"
        );
    }
}

#[test]
fn nobody_gets_another_banned() {
    let wall = wall("x-forwarded-for");
    wall.send(
        get("/probe")
            .method("PUT")
            .from("198.51.100.1")
            .xff("203.0.113.9"),
    );
    wall.send(
        get("/probe")
            .method("PUT")
            .from("10.0.0.1")
            .xff("203.0.113.9, 198.51.100.2"),
    );
    assert_eq!(wall.banned(), ["198.51.100.1/32", "198.51.100.2/32"]);
    assert_eq!(wall.verdict("/"), "200", "203.0.113.9 was only spoken of");
}

#[test]
fn nobody_slips_past_a_ban() {
    let wall = wall("x-forwarded-for");
    wall.ban("198.51.100.1");
    let behind = |line: &str| get("/").from("10.0.0.1").xff(line);
    let direct = get("/").from("198.51.100.1");
    for (ask, verdict) in [
        (direct.clone(), "403 ban/timed"),
        (direct.clone().xff("203.0.113.9"), "403 ban/timed"),
        (direct.clone().xff("127.0.0.1"), "403 ban/timed"),
        (direct.from("::ffff:198.51.100.1"), "403 ban/timed"),
        (behind("198.51.100.1"), "403 ban/timed"),
        (behind("203.0.113.9, 198.51.100.1"), "403 ban/timed"),
        (
            behind("127.0.0.1, 198.51.100.1, 172.31.0.9"),
            "403 ban/timed",
        ),
        (behind("203.0.113.9").xff("198.51.100.1"), "403 ban/timed"),
        (behind("198.51.100.1, 203.0.113.9"), "200"),
        (behind("203.0.113.9"), "200"),
    ] {
        assert_eq!(wall.verdict(ask.clone()), verdict, "{ask:?}");
    }
}

#[test]
fn unreadable_header_denies_and_never_bans_the_proxy() {
    let wall = wall("x-forwarded-for");
    let answer = wall.send(get("/probe").from("10.0.0.1").xff("unknown"));
    assert_eq!(answer.verdict(), "403 probe");
    assert_eq!(
        answer.bans(),
        [BanChange::Withheld("the client is a trusted proxy")]
    );
}
