//! For a while, nothing is enforced: rules only tell, and nobody is banned.

use std::time::Duration;

use crate::support::in_process::{Wall, get};

const POLICY: &str = r#"
    version = 1
    [ban]
    networks = ["198.51.100.0/24"]
    [[deny]]
    id = "dotfiles"
    names = [".env"]
    then = "ban 10m"
"#;

#[test]
fn everything_is_told_and_nothing_done_until_it_ends() {
    let wall = Wall::of(POLICY);
    wall.guard.observe_for(Duration::from_mins(10));
    assert_eq!(
        wall.told.take_words(),
        ["NOTHING IS ENFORCED for 600 s: all rules are in observe mode"]
    );
    for ask in [
        get("/.env").method("PUT"),
        get("/").from("198.51.100.7"),
        get("/%00"),
    ] {
        let answer = wall.send(ask);
        assert_eq!(answer.verdict(), "200");
        assert!(
            answer.words()[0].contains("would have been denied"),
            "{:?}",
            answer.words()
        );
    }
    assert!(wall.banned().is_empty());

    wall.clock.advance(Duration::from_mins(10));
    wall.guard.maintain();
    assert_eq!(wall.told.take_words(), ["rules are enforced again"]);
    assert_eq!(wall.verdict("/.env"), "403 dotfiles");
    assert_eq!(wall.verdict(get("/").from("198.51.100.7")), "403 ban/list");
}

#[test]
fn truce_can_be_ended_before_its_time() {
    let wall = Wall::of(POLICY);
    wall.guard.observe_for(Duration::from_mins(10));
    wall.guard.observe_for(Duration::ZERO);
    assert_eq!(wall.verdict("/.env"), "403 dotfiles");
}
