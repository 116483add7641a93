//! What observes tells what it would do, and does nothing.

use crate::support::in_process::{Wall, get, probe};

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
fn document_that_observes_refuses_nothing_by_rule_ban_or_head() {
    let wall = Wall::of(POLICY);
    wall.ban("192.0.2.1");
    for (ask, rule) in [
        (get("/.env"), "dotfiles"),
        (get("/").from("198.51.100.7"), "ban/list"),
        (get("/").from("192.0.2.1"), "ban/timed"),
        (get("/%00"), "path/nul"),
        (get("/").without_host(), "host/missing"),
        (get("a:80").method("CONNECT"), "connect/tunnel"),
    ] {
        let answer = wall.send(ask.clone());
        let words = answer.words();
        assert_eq!(answer.verdict(), "200", "{ask:?}");
        assert_eq!(words.len(), 1, "{words:?}");
        assert!(words[0].contains("would have been denied (4"), "{words:?}");
        assert!(words[0].contains(&format!("rule {rule}: ")), "{words:?}");
    }
    assert_eq!(
        wall.send("/").words(),
        [""; 0],
        "nothing is told of what passes"
    );
}

#[test]
fn rule_may_act_in_a_document_that_observes() {
    let wall = Wall::of(POLICY);
    assert_eq!(wall.verdict("/admin"), "403 admin");
    let answer = wall.send(get("/admin/.env%00").from("198.51.100.7"));
    assert_eq!(
        answer.verdict(),
        "403 admin",
        "what observes hides nothing that acts"
    );
    let told = answer.words();
    for rule in ["path/nul", "ban/list", "admin"] {
        let by = format!("rule {rule}: ");
        assert!(
            told.iter().any(|words| words.contains(&by)),
            "{rule}: {told:?}"
        );
    }
}

#[test]
fn rule_may_observe_in_a_document_that_acts() {
    let wall = Wall::of(
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
        assert_eq!(wall.verdict(target), verdict, "{target}");
    }
}

#[test]
fn ban_that_observes_is_not_placed() {
    let wall = Wall::of(POLICY);
    let answer = wall.send(probe("/.env"));
    assert_eq!((answer.bans().len(), wall.banned().len()), (0, 0));
    let acting = POLICY.replace("mode = \"observe\"", "");
    wall.guard.policy_handle().replace(&acting).unwrap();
    assert_eq!(
        wall.verdict("/"),
        "200",
        "nothing was held back for the day it acts"
    );
    assert_eq!(wall.verdict(probe("/.env")), "403 dotfiles");
    assert_eq!(wall.verdict("/"), "403 ban/timed");
}
