//! A rule in observe mode reports the denial and does not enforce it.

use crate::support::in_process::{ban, banned, get, guarded, probe};

const POLICY: &str = r#"
    version = 1
    mode = "observe"
    [ban]
    networks = ["198.51.100.0/24"]
    [[deny]]
    id = "dotfiles"
    names = [".env"]
    then = "ban 10m"
    [[deny]]
    id = "admin"
    prefix = ["/admin"]
    mode = "enforce"
"#;

#[test]
fn document_in_observe_mode_refuses_nothing() {
    let server = guarded(POLICY);
    ban(&server, "192.0.2.1");
    for (request, rule) in [
        (get("/.env"), "dotfiles"),
        (get("/").from("198.51.100.7"), "ban/list"),
        (get("/").from("192.0.2.1"), "ban/timed"),
        (get("/%00"), "path/nul"),
        (get("/").without_host(), "host/missing"),
        (get("a:80").method("CONNECT"), "connect/tunnel"),
    ] {
        let answer = server.send(request.clone());
        let words = answer.event_texts();
        assert_eq!(answer.verdict(), "200", "{request:?}");
        assert_eq!(words.len(), 1, "{words:?}");
        assert!(words[0].contains("would have been denied (4"), "{words:?}");
        assert!(words[0].contains(&format!("rule {rule}: ")), "{words:?}");
    }
    assert_eq!(
        server.send("/").event_texts(),
        [""; 0],
        "a pass is not an event"
    );
}

#[test]
fn rule_may_enforce_in_a_document_in_observe_mode() {
    let server = guarded(POLICY);
    assert_eq!(server.verdict("/admin"), "403 admin");
    let answer = server.send(get("/admin/.env%00").from("198.51.100.7"));
    assert_eq!(
        answer.verdict(),
        "403 admin",
        "what observes hides nothing that acts"
    );
    let texts = answer.event_texts();
    for rule in ["path/nul", "ban/list", "admin"] {
        let by = format!("rule {rule}: ");
        assert!(
            texts.iter().any(|words| words.contains(&by)),
            "{rule}: {texts:?}"
        );
    }
}

#[test]
fn rule_may_observe_in_a_document_in_enforce_mode() {
    let server = guarded(
        r#"
        version = 1
        [[deny]]
        id = "watched"
        prefix = ["/a"]
        mode = "observe"
        [[deny]]
        id = "php"
        extensions = ["php"]
        "#,
    );
    for (target, verdict) in [
        ("/a/x", "200"),
        ("/a/x.php", "403 php"),
        ("/x.php", "403 php"),
    ] {
        assert_eq!(server.verdict(target), verdict, "{target}");
    }
}

#[test]
fn ban_in_observe_mode_is_not_placed() {
    let server = guarded(POLICY);
    let answer = server.send(probe("/.env"));
    assert_eq!((answer.bans().len(), banned(&server).len()), (0, 0));
    let acting = POLICY.replace("mode = \"observe\"", "");
    server.guard.policy_handle().replace(&acting).unwrap();
    assert_eq!(
        server.verdict("/"),
        "200",
        "nothing was held back for the day it acts"
    );
    assert_eq!(server.verdict(probe("/.env")), "403 dotfiles");
    assert_eq!(server.verdict("/"), "403 ban/timed");
}
