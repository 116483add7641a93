//! Each verdict except a pass is an event with every relevant detail, and escaped so that it cannot
//! forge log lines.

use gabion_testkit::TestResponse;
use std::time::{Duration, UNIX_EPOCH};

use gabion::{
    Mode,
    event::{Event, RequestEvent, RequestEventKind},
    inspect::Reason,
};

use crate::support::in_process::{get, guarded};

const POLICY: &str = r#"
    version = 1
    [client]
    trusted_proxies = ["10.0.0.0/8"]
    [allow]
    networks = ["192.0.2.7"]
    [[deny]]
    id = "dotfiles"
    names = [".env"]
    [[deny]]
    id = "dumps"
    regex = ['\.sql$']
    then = "404"
    mode = "observe"
"#;

/// The only event of a response.
#[track_caller]
fn only(answer: TestResponse) -> RequestEvent {
    match <[Event; 1]>::try_from(answer.events) {
        Ok([Event::Request(event)]) => event,
        other => panic!("not one event about a request: {other:?}"),
    }
}

#[test]
fn denial_has_client_request_reason_view_and_time() {
    let server = guarded(POLICY);
    server.guard.policy_handle().replace(POLICY).unwrap();
    server.events.take();
    server.clock.advance(Duration::from_secs(90));
    let request = get("/a/%2Eenv?x=1")
        .method("POST")
        .from("10.0.0.1")
        .xff("203.0.113.9");
    let event = only(server.send(request));

    assert_eq!(event.at, UNIX_EPOCH + Duration::from_secs(90));
    assert_eq!(event.client.to_string(), "203.0.113.9");
    assert_eq!(event.peer.to_string(), "10.0.0.1");
    assert_eq!(
        (event.method.as_str(), &*event.target),
        ("POST", &b"/a/%2Eenv?x=1"[..])
    );
    assert_eq!(event.generation, 1);
    let RequestEventKind::Denied(denial) = &event.kind else {
        panic!("{event}");
    };
    assert_eq!((denial.status.as_u16(), denial.mode), (403, Mode::Enforce));
    assert_eq!(denial.cause.rule.as_str(), "dotfiles");
    assert_eq!(denial.cause.reason, Reason::Name);
    assert_eq!(denial.cause.evidence.as_bytes(), b".env");
    assert_eq!(denial.cause.view.unwrap().to_string(), "decoded");
    assert_eq!(
        event.to_string(),
        "203.0.113.9 POST \"/a/%2Eenv?x=…\" denied (403): rule dotfiles: path contains `.env` (path decoded)"
    );
}

#[test]
fn observed_denial_is_marked_in_its_event() {
    let event = only(guarded(POLICY).send("/dump.sql"));
    assert!(
        matches!(&event.kind, RequestEventKind::Denied(denial) if denial.mode == Mode::Observe)
    );
    assert_eq!(
        event.to_string(),
        "203.0.113.9 GET \"/dump.sql\" would have been denied (404): rule dumps: path matches a regex of the rule: `/dump.sql` (path as sent); the server answered 200"
    );
}

#[test]
fn allow_is_an_event_and_a_pass_is_not() {
    let server = guarded(POLICY);
    let event = only(server.send(get("/.env").from("192.0.2.7")));
    assert!(
        matches!(&event.kind, RequestEventKind::Allowed(cause) if cause.rule == *"allow/network")
    );
    assert_eq!(server.send("/environment").event_texts(), [""; 0]);
}

#[test]
fn attack_strings_are_escaped() {
    let server = guarded(POLICY);
    for (target, shown) in [
        ("/%1b[2J/.env", r"%1b[2J"),
        ("/.env/\"x\\", r"/\x22x\x5c"),
        ("/.env/\u{202e}gpj.exe", r"\xe2\x80\xaegpj.exe"),
        ("/%0d%0aFORGED%20203.0.113.1/.env", "%0d%0aFORGED"),
        ("/x%e2%80%ae%0a%2esql", r"/x\xe2\x80\xae\x0a.sql"),
    ] {
        let texts = server.send(target).event_texts().join("; ");
        assert!(
            texts.bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "{target}: {texts:?}"
        );
        assert!(texts.contains(shown), "{target}: {texts:?}");
    }
}

#[test]
fn long_targets_are_truncated() {
    let event = only(guarded(POLICY).send(&*format!("/.env/{}", "x".repeat(5000))));
    assert_eq!(event.target.len(), RequestEvent::MAX_TARGET);
    let event = only(guarded(POLICY).send(&*format!("/{}.sql", "y".repeat(5000))));
    assert!(event.to_string().contains("y…` (path as sent)"), "{event}");
}
