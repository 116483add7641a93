//! Under the observe override nothing is enforced: rules only report, and no client is banned.

use std::time::Duration;

use crate::support::in_process::{banned, get, guarded};

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
fn everything_is_reported_and_nothing_enforced_until_it_ends() {
    let server = guarded(POLICY);
    server.guard.observe_for(Duration::from_mins(10));
    assert_eq!(
        server.events.take_texts(),
        ["NOTHING IS ENFORCED for 600 s: all rules are in observe mode"]
    );
    for request in [
        get("/.env").method("PUT"),
        get("/").from("198.51.100.7"),
        get("/%00"),
    ] {
        let answer = server.send(request);
        assert_eq!(answer.verdict(), "200");
        assert!(
            answer.event_texts()[0].contains("would have been denied"),
            "{:?}",
            answer.event_texts()
        );
    }
    assert!(banned(&server).is_empty());

    server.clock.advance(Duration::from_mins(10));
    server.guard.maintain();
    assert_eq!(server.events.take_texts(), ["rules are enforced again"]);
    assert_eq!(server.verdict("/.env"), "403 dotfiles");
    assert_eq!(
        server.verdict(get("/").from("198.51.100.7")),
        "403 ban/list"
    );
}

#[test]
fn observe_override_can_be_ended_early() {
    let server = guarded(POLICY);
    server.guard.observe_for(Duration::from_mins(10));
    server.guard.observe_for(Duration::ZERO);
    assert_eq!(server.verdict("/.env"), "403 dotfiles");
}
