//! A client above its rate is refused with the time to retry. Other clients are not.

use std::time::Duration;

use gabion::event::{Event, RequestEventKind};

use crate::support::in_process::{InProcess, get, guarded};

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

/// The number of `count` simultaneous requests that the service answers.
fn passed(server: &InProcess, count: usize, target: &str) -> usize {
    let requested = (0..count).filter(|_| server.send(target).status < 400);
    requested.count()
}

#[test]
fn twenty_per_second_pass() {
    let server = guarded(POLICY);
    assert_eq!(passed(&server, 100, "/"), 20);
    assert_eq!(server.verdict("/"), "429 per-client");
    for (wait, more) in [(50, 1), (500, 10), (1_000, 20), (3_600_000, 20)] {
        server.clock.advance(Duration::from_millis(wait));
        assert_eq!(passed(&server, 100, "/"), more, "after {wait} ms");
    }
    assert_eq!(server.verdict(get("/").from("203.0.113.10")), "200");
    assert_eq!(
        server.verdict("/status"),
        "200 allow/path",
        "is not counted"
    );
    assert_eq!(
        server.verdict("/x.php"),
        "403 php",
        "what is certain comes first"
    );
}

#[test]
fn limit_of_a_path_covers_every_spelling() {
    let server = guarded(POLICY);
    for (target, verdict) in [
        ("/login", "200"),
        ("/%6cogin;jsessionid=1", "200"),
        ("/x/../LOGIN", "429 logins"),
        ("/login/", "429 logins"),
        ("/logins", "200"),
    ] {
        assert_eq!(
            server.verdict(get(target).method("POST")),
            verdict,
            "{target}"
        );
    }
    assert_eq!(server.verdict("/login"), "200", "a GET");
}

#[test]
fn limit_with_statuses_counts_responses() {
    let server = guarded(POLICY);
    assert_eq!(passed(&server, 5, "/"), 5);
    for _ in 0..3 {
        assert_eq!(server.verdict("/missing"), "404");
    }
    assert_eq!(server.verdict("/missing"), "429 misses");
    assert_eq!(server.verdict("/"), "429 misses", "on every path");
    assert_eq!(server.verdict(get("/").from("203.0.113.10")), "200");
    server.clock.advance(Duration::from_secs(20));
    assert_eq!(server.verdict("/missing"), "404", "one is back");
    assert_eq!(server.verdict("/missing"), "429 misses");
}

#[test]
fn limit_observes_by_default() {
    let server = guarded(POLICY);
    for _ in 0..5 {
        assert!(server.send("/").events.is_empty());
    }
    let answer = server.send("/");
    assert_eq!(answer.status, 200);
    let texts = "203.0.113.9 GET \"/\" would have been denied (429): rule thought-of: more than 5 in 3600s per client; the server answered 200";
    assert_eq!(answer.event_texts(), [texts]);
}

#[test]
fn refusal_has_retry_after_that_is_never_too_early() {
    let server = guarded(POLICY);
    passed(&server, 20, "/");
    for n in 0..50 {
        let answer = server.send("/");
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
        server.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(server.verdict("/"), "200");
}

fn acts(event: &Event) -> bool {
    matches!(event, Event::Request(event) if event.to_string().contains(" denied ("))
}

#[test]
fn private_addresses_are_limited_only_if_clients_are_private() {
    for (private, addr, limited) in [
        (false, "127.0.0.1", false),
        (false, "192.168.1.1", false),
        (false, "fe80::1", false),
        (true, "127.0.0.1", false),
        (true, "192.168.1.1", true),
    ] {
        let server = guarded(&format!("{POLICY}\n[client]\nprivate = {private}"));
        let requested = (0..50).filter(|_| server.send(get("/").from(addr)).status == 429);
        assert_eq!(requested.count() > 0, limited, "{private} {addr}");
    }
}
