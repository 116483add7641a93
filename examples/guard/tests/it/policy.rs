//! A policy that is edited while the guard runs.

use std::fmt::Write as _;

use crate::support::{Folder, Guard};

const FIRST: &str = "version = 1\n[[deny]]\nid = 'first'\nexact = '/first'\n";
const SECOND: &str = "version = 1\n[[deny]]\nid = 'second'\nexact = '/second'\n";

#[tokio::test]
async fn edit_takes_hold_and_a_bad_one_does_not() {
    let folder = Folder::new("edit");
    let policy = folder.write("policy.toml", FIRST);
    let guard = Guard::start(&["--policy", &policy]).await;
    assert!(
        guard
            .said()
            .contains(&format!("by {policy}, read again whenever it changes"))
    );
    assert_eq!(
        (guard.status("/first").await, guard.status("/second").await),
        (403, 404)
    );

    folder.write("policy.toml", SECOND);
    guard.logged(["policy 1 in force, 1 rules"]).await;
    assert_eq!(
        (guard.status("/first").await, guard.status("/second").await),
        (404, 403)
    );

    folder.write(
        "policy.toml",
        "version = 1\n[[deny]]\nid = 'third'\nexakt = '/third'\n",
    );
    guard.logged(["ERROR", "policy 1 stays in force"]).await;
    guard.logged([&format!("{policy}:4:1")]).await;
    guard.logged(["did you mean `exact`?"]).await;
    assert_eq!(
        (guard.status("/first").await, guard.status("/second").await),
        (404, 403)
    );

    folder.write("policy.toml", FIRST);
    guard.logged(["policy 2 in force, 1 rules"]).await;
    assert_eq!(
        (guard.status("/first").await, guard.status("/second").await),
        (403, 404)
    );
}

#[tokio::test]
async fn hangup_reads_it_again_changed_or_not() {
    let folder = Folder::new("hangup");
    let policy = folder.write("policy.toml", FIRST);
    let guard = Guard::start(&["--policy", &policy]).await;
    guard.signal("HUP");
    guard.logged(["policy 1 in force, 1 rules"]).await;
    assert_eq!(guard.status("/first").await, 403);
    let built_in = Guard::start(&[]).await;
    built_in.signal("HUP");
    built_in
        .logged(["the built-in policy cannot be read again"])
        .await;
    assert_eq!(built_in.status("/.env").await, 403);
}

#[tokio::test]
async fn policy_that_loses_most_rules_needs_a_word() {
    let folder = Folder::new("shrink");
    let mut full = "version = 1\n".to_owned();
    for nth in 0..4 {
        write!(full, "[[deny]]\nid = 'r{nth}'\nexact = '/r{nth}'\n").unwrap();
    }
    let policy = folder.write("policy.toml", &full);
    let guard = Guard::start(&["--policy", &policy]).await;
    let accepting = Guard::start(&["--policy", &policy, "--accept-shrink"]).await;
    folder.write("policy.toml", FIRST);
    guard.logged(["policy 0 stays in force"]).await;
    assert_eq!(guard.status("/r3").await, 403);
    accepting.logged(["policy 1 in force, 1 rules"]).await;
    assert_eq!(accepting.status("/r3").await, 404);
}

#[tokio::test]
async fn user_signal_has_every_rule_observe_for_ten_minutes_at_once_and_aloud() {
    let folder = Folder::new("truce");
    let policy = folder.write("policy.toml", FIRST);
    let guard = Guard::start(&["--policy", &policy]).await;
    assert_eq!(guard.status("/first").await, 403);
    let told = std::time::Duration::from_secs(1);
    guard.signal("USR1");
    let aloud = guard.logged(["WARN", "NOTHING IS ENFORCED for 600 s"]);
    tokio::time::timeout(told, aloud)
        .await
        .expect("within a second");
    assert_eq!(guard.status("/first").await, 404, "the server's own answer");
    guard.logged(["would deny", "rule=first"]).await;
}
