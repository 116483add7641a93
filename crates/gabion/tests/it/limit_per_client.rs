//! Who asks for more than a share is told to come back later, and nobody else is.

use std::time::Duration;

use gabion::{Event, event::RequestEventKind};

use crate::support::in_process::{Wall, get};

const POLICY: &str = r#"
    version = 1
    [allow]
    paths = ["/status"]
    [[deny]]
    id = "php"
    extensions = ["php"]
    [[limit]]
    id = "per-client"
    rate = "20/s"
    mode = "enforce"
    [[limit]]
    id = "logins"
    rate = "2/m"
    methods = ["POST"]
    paths = ["/login"]
    mode = "enforce"
    [[limit]]
    id = "misses"
    rate = "3/m"
    statuses = [404]
    mode = "enforce"
    [[limit]]
    id = "thought-of"
    rate = "5/h"
"#;

/// How many of `count` requests at once are answered by the service.
fn passed(wall: &Wall, count: usize, target: &str) -> usize {
    let asked = (0..count).filter(|_| wall.send(target).status < 400);
    asked.count()
}

#[test]
fn twenty_a_second_and_no_more() {
    let wall = Wall::of(POLICY);
    assert_eq!(passed(&wall, 100, "/"), 20);
    assert_eq!(wall.verdict("/"), "429 per-client");
    for (wait, more) in [(50, 1), (500, 10), (1_000, 20), (3_600_000, 20)] {
        wall.clock.advance(Duration::from_millis(wait));
        assert_eq!(passed(&wall, 100, "/"), more, "after {wait} ms");
    }
    assert_eq!(wall.verdict(get("/").from("203.0.113.10")), "200");
    assert_eq!(wall.verdict("/status"), "200 allow/path", "is not counted");
    assert_eq!(
        wall.verdict("/x.php"),
        "403 php",
        "what is certain comes first"
    );
}

#[test]
fn limit_of_a_path_is_not_dodged_by_spelling() {
    let wall = Wall::of(POLICY);
    for (target, verdict) in [
        ("/login", "200"),
        ("/%6cogin;jsessionid=1", "200"),
        ("/x/../LOGIN", "429 logins"),
        ("/login/", "429 logins"),
        ("/logins", "200"),
    ] {
        assert_eq!(
            wall.verdict(get(target).method("POST")),
            verdict,
            "{target}"
        );
    }
    assert_eq!(wall.verdict("/login"), "200", "a GET");
}

#[test]
fn answers_are_counted_where_the_limit_names_their_status() {
    let wall = Wall::of(POLICY);
    assert_eq!(passed(&wall, 5, "/"), 5);
    for _ in 0..3 {
        assert_eq!(wall.verdict("/missing"), "404");
    }
    assert_eq!(wall.verdict("/missing"), "429 misses");
    assert_eq!(wall.verdict("/"), "429 misses", "whatever it asks for");
    assert_eq!(wall.verdict(get("/").from("203.0.113.10")), "200");
    wall.clock.advance(Duration::from_secs(20));
    assert_eq!(wall.verdict("/missing"), "404", "one is back");
    assert_eq!(wall.verdict("/missing"), "429 misses");
}

#[test]
fn limit_observes_unless_it_says_otherwise() {
    let wall = Wall::of(POLICY);
    for _ in 0..5 {
        assert!(wall.send("/").events.is_empty());
    }
    let answer = wall.send("/");
    assert_eq!(answer.status, 200);
    let told = "203.0.113.9 GET / would have been denied (429): rule thought-of: more than 5 in 3600s per client";
    assert_eq!(answer.words(), [told]);
}

#[test]
fn refusal_says_when_to_come_back_and_never_too_early() {
    let wall = Wall::of(POLICY);
    passed(&wall, 20, "/");
    for n in 0..50 {
        let answer = wall.send("/");
        let Some(Event::Request(event)) = answer.events.iter().rfind(|event| acts(event)) else {
            panic!("{answer:?}");
        };
        let RequestEventKind::Denied(denial) = &event.kind else {
            panic!("{event}");
        };
        let wait = denial.retry_after.unwrap();
        let soonest = Duration::from_millis(50 - n);
        assert!(
            (soonest..soonest + Duration::from_secs(1)).contains(&wait),
            "{wait:?}"
        );
        wall.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(wall.verdict("/"), "200");
}

fn acts(event: &Event) -> bool {
    matches!(event, Event::Request(event) if event.to_string().contains(" denied ("))
}

#[test]
fn nobody_inside_is_limited_unless_clients_are_inside() {
    for (private, addr, limited) in [
        (false, "127.0.0.1", false),
        (false, "192.168.1.1", false),
        (false, "fe80::1", false),
        (true, "127.0.0.1", false),
        (true, "192.168.1.1", true),
    ] {
        let wall = Wall::of(&format!("{POLICY}\n[client]\nprivate = {private}"));
        let asked = (0..50).filter(|_| wall.send(get("/").from(addr)).status == 429);
        assert_eq!(asked.count() > 0, limited, "{private} {addr}");
    }
}
