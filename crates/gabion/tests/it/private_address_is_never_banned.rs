//! Nobody who stands for many others is banned as a client, whatever comes from there.

use gabion::{
    Facts, Inspect, RequestState, Verdict,
    ban::Offense,
    event::BanChange,
    inspect::{Outcome, RuleId},
};

use crate::support::in_process::{Wall, get, probe};

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

/// Whose ban is withheld, and a word of why.
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
fn is_denied_and_not_banned(wall: &Wall, client: &str, why: &str) {
    let answer = wall.send(probe("/.env").from(client));
    assert_eq!(answer.verdict(), "403 dotfiles", "{client}");
    match &answer.bans()[..] {
        [BanChange::Withheld(said)] => assert!(said.contains(why), "{client}: {said}"),
        bans => panic!("{client}: {bans:?}"),
    }
    assert_eq!(wall.verdict(get("/").from(client)), "200", "{client}");
}

#[track_caller]
fn is_banned(wall: &Wall, client: &str) {
    assert_eq!(
        wall.send(probe("/.env").from(client)).bans(),
        [BanChange::Placed],
        "{client}"
    );
    assert_eq!(
        wall.verdict(get("/").from(client)),
        "403 ban/timed",
        "{client}"
    );
}

#[test]
fn this_host_proxies_and_private_addresses_are_denied_and_not_banned() {
    let wall = Wall::of(&policy(false));
    for (client, why) in THIS_HOST.into_iter().chain(PROXIES).chain(PRIVATE) {
        is_denied_and_not_banned(&wall, client, why);
    }
    assert_eq!(wall.banned(), [""; 0]);
    for client in PUBLIC {
        is_banned(&wall, client);
    }
}

#[test]
fn policy_may_say_that_its_clients_are_private() {
    let wall = Wall::of(&policy(true));
    for (client, why) in THIS_HOST.into_iter().chain(PROXIES) {
        is_denied_and_not_banned(&wall, client, why);
    }
    for (client, _) in PRIVATE {
        is_banned(&wall, client);
    }
}

#[test]
fn private_address_out_of_a_header_is_not_banned_either() {
    let wall = Wall::of(&policy(false));
    for hop in ["192.168.1.1", "127.0.0.1", "::1", "10.9.9.9"] {
        let answer = wall.send(probe("/.env").from("10.0.0.1").xff(hop));
        assert!(
            matches!(answer.bans()[..], [BanChange::Withheld(_)]),
            "{hop}: {answer:?}"
        );
    }
    assert_eq!(wall.banned(), [""; 0]);
}

#[test]
fn what_is_learned_bans_no_private_address_either() {
    struct Grudge;

    impl Inspect for Grudge {
        fn name(&self) -> &'static str {
            "grudge"
        }

        fn inspect(&self, _facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
            Verdict::Pass
        }

        fn on_response(&self, _trace: &RequestState, _outcome: &Outcome<'_>) -> Option<Offense> {
            Some(Offense::certain(
                RuleId::builtin("grudge"),
                std::time::Duration::from_mins(1),
            ))
        }
    }

    let wall = Wall::built(|guard| guard.add_rule(Grudge).with_policy(&policy(false), "policy"));
    for (client, why) in THIS_HOST.into_iter().chain(PROXIES).chain(PRIVATE) {
        match &wall.send(get("/").from(client)).bans()[..] {
            [BanChange::Withheld(said)] => assert!(said.contains(why), "{client}: {said}"),
            bans => panic!("{client}: {bans:?}"),
        }
    }
    assert_eq!(wall.send("/").bans(), [BanChange::Placed]);
}
