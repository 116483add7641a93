//! A header names the client only if a trusted proxy wrote it.

use gabion::event::{BanChange, Event};
use gabion_testkit::TestRequest;

use crate::support::in_process::{InProcess, ban, banned, get, guarded};

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

fn server(header: &str) -> InProcess {
    guarded(&POLICY.replace("HEADER", header))
}

/// The client that a denied request is attributed to.
fn responsible(server: &InProcess, request: TestRequest) -> String {
    match server.send(request).events.first() {
        Some(Event::Request(event)) => event.client.to_string(),
        other => panic!("no denial: {other:?}"),
    }
}

#[test]
fn x_forwarded_for_is_read_from_the_right_and_from_trusted_peers_only() {
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
        ("10.0.0.1", &["203.0.113.9,"], "203.0.113.9"),
        ("10.0.0.1", &["6.6.6.6, , 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["203.0.113.9", ""], "203.0.113.9"),
        ("10.0.0.1", &[""], "10.0.0.1"),
        ("10.0.0.1", &[], "10.0.0.1"),
    ] {
        let request = get("/probe").from(peer).header("forwarded", "for=6.6.6.6");
        let request = lines.iter().copied().fold(request, TestRequest::xff);
        assert_eq!(
            responsible(&server("x-forwarded-for"), request),
            client,
            "{peer} {lines:?}"
        );
    }
}

#[test]
fn forwarded_is_read_if_the_policy_names_it() {
    for (peer, line, client) in [
        ("198.51.100.1", "for=203.0.113.9", "198.51.100.1"),
        ("10.0.0.1", "for=203.0.113.9;proto=https", "203.0.113.9"),
        (
            "10.0.0.1",
            "for=6.6.6.6, for=\"[2001:db8::7]:80\", for=10.1.1.1",
            "2001:db8::7",
        ),
        (
            "10.0.0.1",
            r#"proto=http;host="a;for=9.9.9.9;b";for=203.0.113.5"#,
            "203.0.113.5",
        ),
        (
            "10.0.0.1",
            r#"for=6.6.6.6, host="a\";for=9.9.9.9, b";for=203.0.113.5"#,
            "203.0.113.5",
        ),
        ("10.0.0.1", "for=203.0.113.5,", "203.0.113.5"),
        ("10.0.0.1", "for=_hidden", "10.0.0.1"),
    ] {
        let request = get("/probe")
            .from(peer)
            .xff("6.6.6.6")
            .header("forwarded", line);
        assert_eq!(
            responsible(&server("forwarded"), request),
            client,
            "{peer} {line}"
        );
    }
}

#[test]
fn forged_header_bans_no_other_client() {
    let server = server("x-forwarded-for");
    server.send(
        get("/probe")
            .method("PUT")
            .from("198.51.100.1")
            .xff("203.0.113.9"),
    );
    server.send(
        get("/probe")
            .method("PUT")
            .from("10.0.0.1")
            .xff("203.0.113.9, 198.51.100.2"),
    );
    assert_eq!(banned(&server), ["198.51.100.1/32", "198.51.100.2/32"]);
    assert_eq!(server.verdict("/"), "200", "203.0.113.9 was only spoken of");
}

#[test]
fn forged_header_does_not_evade_a_ban() {
    let server = server("x-forwarded-for");
    ban(&server, "198.51.100.1");
    let backend = |line: &str| get("/").from("10.0.0.1").xff(line);
    let direct = get("/").from("198.51.100.1");
    for (request, verdict) in [
        (direct.clone(), "403 ban/timed"),
        (direct.clone().xff("203.0.113.9"), "403 ban/timed"),
        (direct.clone().xff("127.0.0.1"), "403 ban/timed"),
        (direct.from("::ffff:198.51.100.1"), "403 ban/timed"),
        (backend("198.51.100.1"), "403 ban/timed"),
        (backend("203.0.113.9, 198.51.100.1"), "403 ban/timed"),
        (
            backend("127.0.0.1, 198.51.100.1, 172.31.0.9"),
            "403 ban/timed",
        ),
        (backend("203.0.113.9").xff("198.51.100.1"), "403 ban/timed"),
        (backend("198.51.100.1, 203.0.113.9"), "200"),
        (backend("203.0.113.9"), "200"),
    ] {
        assert_eq!(server.verdict(request.clone()), verdict, "{request:?}");
    }
}

#[test]
fn ban_of_a_converted_address_hits_its_ipv4_address_only() {
    let server = server("x-forwarded-for");
    for (offender, same_host, other) in [
        (
            "64:ff9b::203.0.113.1",
            "203.0.113.1",
            "64:ff9b::203.0.113.2",
        ),
        ("::203.0.113.3", "64:ff9b::203.0.113.3", "::203.0.113.4"),
        (
            "2002:cb00:7105::1",
            "2002:cb00:7105:7::2",
            "2002:cb00:7106::1",
        ),
        (
            "2001:0:c000:201:8000:f227:34ff:8ef8",
            "203.0.113.7",
            "2001:0:c000:201:8000:f227:34ff:8ef7",
        ),
        ("203.0.113.9", "2002:cb00:7109::1", "203.0.113.10"),
        (
            "64:ff9b::10.0.0.9",
            "64:ff9b::10.0.0.9",
            "64:ff9b::10.0.0.8",
        ),
    ] {
        let answer = server.send(get("/probe").method("PUT").from(offender));
        assert_eq!(answer.bans(), [BanChange::Placed], "{offender}");
        for (client, verdict) in [(same_host, "403 ban/timed"), (other, "200")] {
            assert_eq!(server.verdict(get("/").from(client)), verdict, "{client}");
            let behind = get("/").from("10.0.0.1").xff(client);
            assert_eq!(server.verdict(behind), verdict, "{client} behind a proxy");
        }
    }
}

#[test]
fn converted_address_is_not_allowed() {
    let server = guarded(&POLICY.replace("HEADER", "x-forwarded-for").replace(
        "[[deny]]",
        "[allow]\nnetworks = [\"203.0.113.0/24\"]\n[[deny]]",
    ));
    for (client, verdict) in [
        ("203.0.113.9", "200 allow/network"),
        ("64:ff9b::203.0.113.9", "403 probe"),
        ("2002:cb00:7109::1", "403 probe"),
    ] {
        let verdict_of = |request: TestRequest| server.send(request).verdict();
        assert_eq!(verdict_of(get("/probe").from(client)), verdict, "{client}");
        let behind = get("/probe").from("10.0.0.1").xff(client);
        assert_eq!(verdict_of(behind), verdict, "{client} behind a proxy");
    }
}

#[test]
fn unreadable_header_is_denied_and_never_bans_the_proxy() {
    let server = server("x-forwarded-for");
    for line in [
        "unknown",
        "",
        ",",
        "203.0.113.9, unknown",
        "unknown, 10.0.0.2",
    ] {
        let answer = server.send(get("/probe").method("PUT").from("10.0.0.1").xff(line));
        assert_eq!(answer.verdict(), "403 probe", "{line:?}");
        match &answer.bans()[..] {
            [BanChange::Withheld(why)] => assert!(why.contains("unknown"), "{line:?}: {why}"),
            bans => panic!("{line:?}: {bans:?}"),
        }
    }
    assert_eq!(banned(&server), [""; 0]);
}
