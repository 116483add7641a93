//! A rule that bans acts at once, on every path, for exactly the configured time.

use std::time::Duration;

use gabion::{event::BanChange, inspect::State};

use crate::support::in_process::{banned, build_guarded, get, guarded, probe};

const POLICY: &str = r#"
    version = 1
    [ban]
    first = "1h"
    [[deny]]
    id = "dotfiles"
    names = [".env"]
    then = "ban 10m"
    [[deny]]
    id = "shells"
    names = ["shell.php"]
    then = "ban"
"#;
const NANOSECOND: Duration = Duration::from_nanos(1);

#[test]
fn ban_holds_at_once_everywhere_and_to_the_nanosecond() {
    for (target, rule, lasts) in [
        ("/.env", "dotfiles", Duration::from_mins(10)),
        ("/shell.php", "shells", Duration::from_hours(1)),
    ] {
        let server = guarded(POLICY);
        server.clock.advance(Duration::from_secs(5));
        let answer = server.send(probe(target));
        assert_eq!(answer.verdict(), format!("403 {rule}"));
        assert_eq!(answer.bans(), [BanChange::Placed]);
        assert_eq!(
            server.verdict("/"),
            "403 ban/timed",
            "another path, at the same moment"
        );
        assert_eq!(
            server.verdict(get("/").from("203.0.113.10")),
            "200",
            "another client"
        );

        server.clock.advance(lasts.checked_sub(NANOSECOND).unwrap());
        let words = server.send("/").event_texts();
        assert!(
            words[0].contains(&format!("banned by rule {rule} for another")),
            "{words:?}"
        );
        server.clock.advance(NANOSECOND);
        assert_eq!(server.verdict("/"), "200");
    }
}

#[test]
fn requests_while_banned_do_not_prolong_the_ban() {
    let server = guarded(POLICY);
    server.send(probe("/.env"));
    server.clock.advance(Duration::from_mins(9));
    assert_eq!(server.verdict(probe("/.env")), "403 ban/timed");
    server.clock.advance(Duration::from_mins(1));
    assert_eq!(server.verdict("/"), "200");
    assert_eq!(
        server.verdict(probe("/.env")),
        "403 dotfiles",
        "it is banned anew"
    );
    assert_eq!(server.verdict("/"), "403 ban/timed");
}

#[test]
fn ipv6_client_is_banned_with_its_network() {
    let server = guarded(POLICY);
    server.send(probe("/.env").from("2001:db8:1:2::1"));
    for (client, verdict) in [
        ("2001:db8:1:2::1", "403 ban/timed"),
        ("2001:db8:1:2:ffff::9", "403 ban/timed"),
        ("2001:db8:1:3::1", "200"),
        ("2001:db8:1:1:ffff:ffff:ffff:ffff", "200"),
    ] {
        assert_eq!(server.verdict(get("/").from(client)), verdict, "{client}");
    }
    assert_eq!(banned(&server), ["2001:db8:1:2::/64"]);
}

#[test]
fn full_table_evicts_the_ban_next_to_expire_and_reports_it() {
    let server = build_guarded(|guard| {
        guard
            .with_state(State::with_capacity(2))
            .with_policy(POLICY, "policy.toml")
    });
    let scan = |client| server.send(probe("/.env").from(client));
    for client in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!(scan(client).bans(), [BanChange::Placed]);
        server.clock.advance(Duration::from_mins(1));
    }
    let third = scan("192.0.2.3");
    assert_eq!(
        third.bans(),
        [BanChange::Evicted("192.0.2.1/32".parse().unwrap())]
    );
    let words = "192.0.2.3/32 banned for 600 s by rule dotfiles; the ban table is full: the ban of \
                 192.0.2.1/32 was removed early";
    assert_eq!(third.event_texts()[1], words);
    assert_eq!(banned(&server), ["192.0.2.2/32", "192.0.2.3/32"]);
    assert_eq!(server.verdict(get("/").from("192.0.2.1")), "200");
}
