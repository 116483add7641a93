//! An address that many clients share (this host, proxies, private networks) is never banned.

use gabion::{
    Facts, Inspect, RequestState, Verdict,
    ban::Offense,
    event::BanChange,
    inspect::{Findings, Outcome, RuleId},
};

use crate::support::in_process::{InProcess, banned, build_guarded, get, guarded, probe};

const POLICY: &str = r#"
    version = 1
    [client]
    private = PRIVATE
    trusted_proxies = ["10.0.0.0/8", "198.51.100.200"]
    [[deny]]
    id = "dotfiles"
    names = [".env"]
    then = "ban 10m"
"#;

/// Clients whose ban is withheld, and the reason in the event.
const THIS_HOST: [(&str, &str); 4] = [
    ("127.0.0.1", "this host"),
    ("127.8.8.8", "this host"),
    ("::1", "this host"),
    ("::ffff:127.0.0.1", "this host"),
];
const PROXIES: [(&str, &str); 2] = [
    ("10.1.2.3", "trusted proxy"),
    ("198.51.100.200", "trusted proxy"),
];
const PRIVATE: [(&str, &str); 6] = [
    ("192.168.1.1", "private"),
    ("172.16.0.1", "private"),
    ("169.254.1.1", "private"),
    ("100.64.0.1", "private"),
    ("fe80::1", "private"),
    ("fd00::1", "private"),
];
const PUBLIC: [&str; 4] = [
    "203.0.113.9",
    "198.51.100.201",
    "100.128.0.1",
    "2001:db8::1",
];

fn policy(private: bool) -> String {
    POLICY.replace("PRIVATE", if private { "true" } else { "false" })
}

#[track_caller]
fn assert_denied_and_not_banned(server: &InProcess, client: &str, why: &str) {
    let answer = server.send(probe("/.env").from(client));
    assert_eq!(answer.verdict(), "403 dotfiles", "{client}");
    match &answer.bans()[..] {
        [BanChange::Withheld(text)] => assert!(text.contains(why), "{client}: {text}"),
        bans => panic!("{client}: {bans:?}"),
    }
    assert_eq!(server.verdict(get("/").from(client)), "200", "{client}");
}

#[track_caller]
fn assert_banned(server: &InProcess, client: &str) {
    assert_eq!(
        server.send(probe("/.env").from(client)).bans(),
        [BanChange::Placed],
        "{client}"
    );
    assert_eq!(
        server.verdict(get("/").from(client)),
        "403 ban/timed",
        "{client}"
    );
}

#[test]
fn this_host_proxies_and_private_addresses_are_denied_and_not_banned() {
    let server = guarded(&policy(false));
    for (client, why) in THIS_HOST.into_iter().chain(PROXIES).chain(PRIVATE) {
        assert_denied_and_not_banned(&server, client, why);
    }
    assert_eq!(banned(&server), [""; 0]);
    for client in PUBLIC {
        assert_banned(&server, client);
    }
}

#[test]
fn policy_may_declare_that_clients_are_private() {
    let server = guarded(&policy(true));
    for (client, why) in THIS_HOST.into_iter().chain(PROXIES) {
        assert_denied_and_not_banned(&server, client, why);
    }
    for (client, _) in PRIVATE {
        assert_banned(&server, client);
    }
}

#[test]
fn private_peer_that_forwards_is_not_banned_though_clients_are_private() {
    let server = guarded(&policy(true));
    let answer = server.send(probe("/.env").from("192.168.1.1").xff("203.0.113.9"));
    match &answer.bans()[..] {
        [BanChange::Withheld(why)] => assert!(why.contains("forwarding headers"), "{why}"),
        bans => panic!("{bans:?}"),
    }
    assert_eq!(banned(&server), [""; 0]);
}

#[test]
fn private_address_from_a_header_is_not_banned() {
    let server = guarded(&policy(false));
    for relay in ["192.168.1.1", "127.0.0.1", "::1", "10.9.9.9"] {
        let answer = server.send(probe("/.env").from("10.0.0.1").xff(relay));
        assert!(
            matches!(answer.bans()[..], [BanChange::Withheld(_)]),
            "{relay}: {answer:?}"
        );
    }
    assert_eq!(banned(&server), [""; 0]);
}

#[test]
fn on_response_bans_no_private_address() {
    struct BanOn404;

    impl Inspect for BanOn404 {
        fn name(&self) -> &'static str {
            "grudge"
        }

        fn inspect(&self, _facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
            Verdict::Pass
        }

        fn on_response(&self, _: &RequestState, _: &Outcome<'_>, findings: &mut Findings) {
            let minute = std::time::Duration::from_mins(1);
            findings.report_offense(Offense::certain(RuleId::builtin("grudge"), minute));
        }
    }

    let server = build_guarded(|guard| {
        guard
            .add_rule(BanOn404)
            .with_policy(&policy(false), "policy")
    });
    for (client, why) in THIS_HOST.into_iter().chain(PROXIES).chain(PRIVATE) {
        match &server.send(get("/").from(client)).bans()[..] {
            [BanChange::Withheld(text)] => assert!(text.contains(why), "{client}: {text}"),
            bans => panic!("{client}: {bans:?}"),
        }
    }
    assert_eq!(server.send("/").bans(), [BanChange::Placed]);
}
