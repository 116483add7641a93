//! A rule that bans for what is proven does so at once, on every path, for exactly as long as it
//! says.

use std::time::Duration;

use gabion::{event::BanChange, inspect::State};

use crate::support::in_process::{Wall, get, probe};

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
        let wall = Wall::of(POLICY);
        wall.clock.advance(Duration::from_secs(5));
        let answer = wall.send(probe(target));
        assert_eq!(answer.verdict(), format!("403 {rule}"));
        assert_eq!(answer.bans(), [BanChange::Placed]);
        assert_eq!(
            wall.verdict("/"),
            "403 ban/timed",
            "another path, at the same moment"
        );
        assert_eq!(
            wall.verdict(get("/").from("203.0.113.10")),
            "200",
            "another client"
        );

        wall.clock.advance(lasts.checked_sub(NANOSECOND).unwrap());
        let words = wall.send("/").words();
        assert!(
            words[0].contains(&format!("banned by rule {rule} for another")),
            "{words:?}"
        );
        wall.clock.advance(NANOSECOND);
        assert_eq!(wall.verdict("/"), "200");
    }
}

#[test]
fn asking_again_while_banned_prolongs_nothing() {
    let wall = Wall::of(POLICY);
    wall.send(probe("/.env"));
    wall.clock.advance(Duration::from_mins(9));
    assert_eq!(wall.verdict(probe("/.env")), "403 ban/timed");
    wall.clock.advance(Duration::from_mins(1));
    assert_eq!(wall.verdict("/"), "200");
    assert_eq!(
        wall.verdict(probe("/.env")),
        "403 dotfiles",
        "it is banned anew"
    );
    assert_eq!(wall.verdict("/"), "403 ban/timed");
}

#[test]
fn ipv6_client_is_banned_with_its_network() {
    let wall = Wall::of(POLICY);
    wall.send(probe("/.env").from("2001:db8:1:2::1"));
    for (client, verdict) in [
        ("2001:db8:1:2::1", "403 ban/timed"),
        ("2001:db8:1:2:ffff::9", "403 ban/timed"),
        ("2001:db8:1:3::1", "200"),
        ("2001:db8:1:1:ffff:ffff:ffff:ffff", "200"),
    ] {
        assert_eq!(wall.verdict(get("/").from(client)), verdict, "{client}");
    }
    assert_eq!(wall.banned(), ["2001:db8:1:2::/64"]);
}

#[test]
fn full_table_lets_go_of_the_ban_nearest_its_end_and_says_so() {
    let wall = Wall::built(|guard| {
        guard
            .with_state(State::with_capacity(2))
            .with_policy(POLICY, "policy.toml")
    });
    let scan = |client| wall.send(probe("/.env").from(client));
    for client in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!(scan(client).bans(), [BanChange::Placed]);
        wall.clock.advance(Duration::from_mins(1));
    }
    let third = scan("192.0.2.3");
    assert_eq!(
        third.bans(),
        [BanChange::Evicted("192.0.2.1/32".parse().unwrap())]
    );
    let words = "192.0.2.3/32 banned for 600 s by rule dotfiles; the ban table is full: the ban of \
                 192.0.2.1/32 was removed early";
    assert_eq!(third.words()[1], words);
    assert_eq!(wall.banned(), ["192.0.2.2/32", "192.0.2.3/32"]);
    assert_eq!(wall.verdict(get("/").from("192.0.2.1")), "200");
}
