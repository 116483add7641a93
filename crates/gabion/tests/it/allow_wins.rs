//! An allowed client is neither banned nor denied. A client that only claims an allowed address is.

use std::time::Duration;

use gabion::{
    Facts, Inspect, RequestState, Verdict,
    ban::Offense,
    event::BanChange,
    inspect::{Findings, Outcome, RuleId},
};

use crate::support::in_process::{ban, banned, build_guarded, get, guarded};

const POLICY: &str = r#"
    version = 1
    [client]
    trusted_proxies = ["10.0.0.0/8"]
    [allow]
    networks = ["203.0.113.0/28", "192.168.0.0/16", "127.0.0.1"]
    paths = ["/.well-known/acme-challenge/"]
    [ban]
    networks = ["203.0.113.0/29", "203.0.113.64/26"]
    [[deny]]
    id = "dotfiles"
    names = [".env", ".well-known"]
    then = "ban 10m"
"#;

/// Bans the client of every 404 response.
struct BanOn404;

impl Inspect for BanOn404 {
    fn name(&self) -> &'static str {
        "grudge"
    }

    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    fn on_response(&self, _: &RequestState, outcome: &Outcome<'_>, findings: &mut Findings) {
        if outcome.status == 404 {
            let rule = RuleId::builtin("grudge");
            findings.report_offense(Offense::certain(rule, Duration::from_mins(1)));
        }
    }
}

#[test]
fn allowed_network_passes_a_ban_list_a_timed_ban_and_a_deny_rule() {
    let server = guarded(POLICY);
    for (client, target, verdict) in [
        ("203.0.113.7", "/", "200 allow/network"),
        ("203.0.113.99", "/", "403 ban/list"),
        ("203.0.113.7", "/.env", "200 allow/network"),
        ("198.51.100.7", "/.env", "403 dotfiles"),
    ] {
        assert_eq!(
            server.verdict(get(target).from(client)),
            verdict,
            "{client} {target}"
        );
    }
    for (client, verdict) in [
        ("203.0.113.8", "200 allow/network"),
        ("198.51.100.8", "403 ban/timed"),
    ] {
        ban(&server, client);
        assert_eq!(server.verdict(get("/").from(client)), verdict, "{client}");
    }
    assert!(
        !banned(&server).contains(&"203.0.113.7/32".to_owned()),
        "passed requests ban no client"
    );
}

#[test]
fn allowed_path_passes_in_one_spelling_only() {
    let server = guarded(POLICY);
    for (target, verdict) in [
        ("/.well-known/acme-challenge/token", "200 allow/path"),
        ("/.well-known/acme-challenge", "200 allow/path"),
        ("/.well-known/acme-challenge/.env", "200 allow/path"),
        ("/.well-known/acme-challengers", "403 ban/list"),
        ("/.well-known/acme-challenge/../../x", "403 ban/list"),
        ("/.well-known/acme-challenge/%2e%2e/x", "403 ban/list"),
        ("/.well-known/acme-challenge/..;/x", "403 ban/list"),
        ("/.well-known/acme-challenge/..%255cx", "403 ban/list"),
        ("/.well-known%00/acme-challenge/", "403 ban/list"),
    ] {
        let request = get(target).from("203.0.113.99");
        assert_eq!(server.verdict(request), verdict, "{target}");
    }
}

#[test]
fn malformed_head_is_refused_from_allowed_clients() {
    let server = guarded(POLICY);
    let friend = |target| get(target).from("203.0.113.7");
    for (request, verdict) in [
        (friend("/%00"), "400 path/nul"),
        (friend("/../x"), "400 path/above-root"),
        (friend("/x%zz"), "400 path/escape"),
        (friend("/").without_host(), "400 host/missing"),
        (friend("/").header("host", "b"), "400 host/doubled"),
        (friend("/.well-known/acme-challenge/%00"), "400 path/nul"),
        (friend("/x%20y"), "200 allow/network"),
    ] {
        assert_eq!(
            server.verdict(request.clone()),
            verdict,
            "{:?}",
            request.0.uri()
        );
    }
}

#[test]
fn allowed_client_is_never_banned() {
    let server = build_guarded(|guard| guard.add_rule(BanOn404).with_policy(POLICY, "policy.toml"));
    for (request, verdict) in [
        (get("/.env%00").from("203.0.113.7"), "400 path/nul"),
        (
            get("/.env").from("203.0.113.7").without_host(),
            "400 host/missing",
        ),
        (get("/missing").from("203.0.113.7"), "404 allow/network"),
        (
            get("/.well-known/acme-challenge/.env").from("198.51.100.7"),
            "200 allow/path",
        ),
    ] {
        let answer = server.send(request.clone());
        assert_eq!(answer.verdict(), verdict, "{request:?}");
        assert_eq!(banned(&server), [""; 0], "{request:?}");
    }
    let words = server
        .send(get("/missing").from("203.0.113.7"))
        .event_texts();
    let why = "203.0.113.7/32 not banned (rule grudge): a rule allowed the request";
    assert_eq!(words[1], why);
    let stranger = get("/missing").from("198.51.100.7");
    assert_eq!(server.send(stranger).bans(), [BanChange::Placed]);
}

#[test]
fn private_address_from_a_header_is_never_allowed() {
    let server = guarded(POLICY);
    let backend = |relay: &str| get("/.env").from("10.0.0.1").xff(relay);
    for (request, verdict) in [
        (backend("203.0.113.7"), "200 allow/network"),
        (backend("127.0.0.1"), "403 dotfiles"),
        (backend("192.168.0.7"), "403 dotfiles"),
        (backend("::ffff:127.0.0.1"), "403 dotfiles"),
        (get("/.env").from("192.168.0.7"), "200 allow/network"),
        (get("/.env").from("127.0.0.1"), "200 allow/network"),
    ] {
        assert_eq!(
            server.verdict(request.clone()),
            verdict,
            "{:?}",
            request.0.headers()
        );
    }
}
