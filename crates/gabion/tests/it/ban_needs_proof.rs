//! A page can make whoever looks at it ask for anything that a link can spell: such a request is
//! denied at once, and bans nobody by itself.

use std::time::Duration;

use gabion::event::BanChange;

use crate::support::in_process::{Ask, Wall, get};

const POLICY: &str = r#"
    version = 1
    [[deny]]
    id = "dotfiles"
    names = [".env", ".git", ".aws"]
    then = "ban 10m"
"#;

/// A browser's request for one of many paths that the policy bans for.
fn probe(number: usize) -> Ask {
    get(&format!("/{number}/.env"))
}

#[track_caller]
fn is_denied_only(wall: &Wall, ask: Ask) -> Vec<BanChange> {
    let answer = wall.send(ask);
    assert_eq!(answer.verdict(), "403 dotfiles");
    answer.bans()
}

#[track_caller]
fn is_never_banned(wall: &Wall, dress: impl Fn(Ask) -> Ask) {
    for number in 0..50 {
        let changes = is_denied_only(wall, dress(probe(number)));
        assert!(
            matches!(changes[..], [BanChange::Withheld(_)]),
            "{changes:?}"
        );
    }
    assert_eq!(wall.verdict("/"), "200");
    assert!(wall.banned().is_empty());
}

#[test]
fn one_path_never_bans_however_often() {
    let wall = Wall::of(POLICY);
    for _ in 0..50 {
        assert_eq!(
            is_denied_only(&wall, probe(0)),
            [BanChange::Suspected {
                paths: 1,
                needed: 3
            }]
        );
    }
    assert_eq!(wall.verdict("/"), "200");
}

#[test]
fn three_different_paths_ban() {
    let wall = Wall::of(POLICY);
    for paths in [1, 2] {
        let changes = is_denied_only(&wall, probe(paths as usize));
        assert_eq!(changes, [BanChange::Suspected { paths, needed: 3 }]);
    }
    assert_eq!(is_denied_only(&wall, probe(3)), [BanChange::Placed]);
    assert_eq!(wall.verdict("/"), "403 ban/timed");
    assert_eq!(wall.verdict(get("/").from("203.0.113.10")), "200");
}

#[test]
fn suspicion_lapses() {
    let wall = Wall::of(POLICY);
    for number in 0..20 {
        let changes = is_denied_only(&wall, probe(number));
        assert_eq!(
            changes,
            [BanChange::Suspected {
                paths: 1,
                needed: 3
            }]
        );
        wall.clock.advance(Duration::from_secs(601));
    }
}

#[test]
fn suspects_do_not_answer_for_each_other() {
    let wall = Wall::of(POLICY);
    for number in 0..50 {
        let client = format!("198.51.100.{number}");
        is_denied_only(&wall, probe(number).from(&client));
    }
    assert!(wall.banned().is_empty());
}

#[test]
fn what_no_page_can_make_a_browser_send_bans_at_once() {
    let asks: [(&str, Ask); 6] = [
        ("method", get("/.env").method("PUT")),
        ("method of its own", get("/.env").method("PROPFIND")),
        ("dots", get("/x/../.env")),
        ("escaped dots", get("/x/%2e%2E/.env")),
        ("backslash", get("/x\\.env")),
        (
            "upgrade",
            get("/.env")
                .header("connection", "upgrade")
                .header("upgrade", "h2c"),
        ),
    ];
    for (what, ask) in asks {
        let wall = Wall::of(POLICY);
        assert_eq!(wall.send(ask).bans(), [BanChange::Placed], "{what}");
        assert_eq!(wall.verdict("/"), "403 ban/timed", "{what}");
    }
}

#[test]
fn page_of_another_origin_bans_nobody() {
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("referer", "https://evil.example/page"),
        ("referer", "https://localhost.evil.example/localhost"),
    ] {
        let wall = Wall::of(POLICY);
        is_never_banned(&wall, |ask| ask.header(name, value));
    }
}

#[test]
fn own_page_and_none_are_no_excuse() {
    for (name, value) in [
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
        ("origin", "http://localhost"),
        ("referer", "https://localhost/page?of=evil.example"),
    ] {
        let wall = Wall::of(POLICY);
        for number in 0..3 {
            wall.send(probe(number).header(name, value));
        }
        assert_eq!(wall.verdict("/"), "403 ban/timed", "{name}: {value}");
    }
    let wall = Wall::of(POLICY);
    wall.send(
        get("/.env")
            .method("PUT")
            .header("sec-fetch-site", "cross-site"),
    );
    assert_eq!(
        wall.verdict("/"),
        "403 ban/timed",
        "no page can have this sent"
    );
}

#[test]
fn client_in_good_standing_is_denied_only() {
    let wall = Wall::of(POLICY);
    for _ in 0..10 {
        assert_eq!(wall.verdict("/"), "200");
    }
    is_never_banned(&wall, |ask| ask);
    for number in 0..3 {
        wall.send(probe(number).from("203.0.113.10"));
    }
    assert_eq!(wall.banned(), ["203.0.113.10/32"], "it is not another's");

    wall.send(probe(0).method("DELETE"));
    assert_eq!(
        wall.verdict("/"),
        "403 ban/timed",
        "and no excuse for proof"
    );
}

#[test]
fn good_standing_is_of_what_was_given_and_fades() {
    let wall = Wall::of(POLICY);
    for _ in 0..30 {
        assert_eq!(wall.verdict("/missing"), "404");
    }
    assert_eq!(
        is_denied_only(&wall, probe(0)),
        [BanChange::Suspected {
            paths: 1,
            needed: 3
        }]
    );
    for _ in 0..15 {
        wall.send("/");
    }
    let changes = is_denied_only(&wall, probe(1));
    assert!(
        matches!(changes[..], [BanChange::Withheld(_)]),
        "{changes:?}"
    );
    wall.clock.advance(Duration::from_hours(1));
    assert_eq!(
        is_denied_only(&wall, probe(2)),
        [BanChange::Suspected {
            paths: 1,
            needed: 3
        }]
    );
}
