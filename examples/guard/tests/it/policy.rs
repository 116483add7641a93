//! Reloads of the policy while the guard runs.

use gabion_testkit::{TempFolder, eventually};
use std::fmt::Write as _;

use crate::support::{Guard, guard, text};

const FIRST: &str = "version = 1\n[[deny]]\nid = 'first'\nexact = '/first'\n";
const SECOND: &str = "version = 1\n[[deny]]\nid = 'second'\nexact = '/second'\n";

#[tokio::test]
async fn valid_edit_takes_effect_and_an_invalid_one_does_not() {
    let folder = TempFolder::new("edit");
    let policy = folder.replace("policy.toml", FIRST);
    let guard = Guard::start(&["--policy", &policy]).await;
    assert!(
        guard
            .stdout()
            .contains(&format!("{policy}, reloaded when it changes or on SIGHUP"))
    );
    assert_eq!(
        (guard.status("/first").await, guard.status("/second").await),
        (403, 404)
    );

    folder.replace("policy.toml", SECOND);
    guard.logged(["policy 1 in force, 1 rules"]).await;
    assert_eq!(
        (guard.status("/first").await, guard.status("/second").await),
        (404, 403)
    );

    folder.replace(
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

    folder.replace("policy.toml", FIRST);
    guard.logged(["policy 2 in force, 1 rules"]).await;
    assert_eq!(
        (guard.status("/first").await, guard.status("/second").await),
        (403, 404)
    );
}

#[tokio::test]
async fn restored_text_is_logged_after_a_broken_one() {
    let folder = TempFolder::new("restored");
    let policy = folder.replace("policy.toml", FIRST);
    let guard = Guard::start(&["--policy", &policy]).await;
    folder.replace("policy.toml", "version = 1\n[[deny]]\nid = 'fi");
    guard.logged(["ERROR", "policy 0 stays in force"]).await;
    folder.replace("policy.toml", FIRST);
    guard
        .logged(["INFO", "valid again", "policy 0, which is in force"])
        .await;
    assert!(!guard.log().lines().last().unwrap().contains("ERROR"));
    assert_eq!(guard.status("/first").await, 403);
}

#[tokio::test]
async fn sighup_reloads_the_policy_even_if_it_is_unchanged() {
    let folder = TempFolder::new("hangup");
    let policy = folder.replace("policy.toml", FIRST);
    let guard = Guard::start(&["--policy", &policy]).await;
    guard.signal("HUP");
    guard.logged(["received SIGHUP", "read again"]).await;
    guard.logged(["policy 1 in force, 1 rules"]).await;
    assert_eq!(guard.status("/first").await, 403);
    let built_in = Guard::start(&[]).await;
    built_in.signal("HUP");
    built_in.logged(["the built-in policy is not a file"]).await;
    assert_eq!(built_in.status("/.env").await, 403);
}

#[tokio::test]
async fn policy_that_loses_most_rules_requires_accept_shrink() {
    let folder = TempFolder::new("shrink");
    let mut full = "version = 1\n".to_owned();
    for nth in 0..4 {
        write!(full, "[[deny]]\nid = 'r{nth}'\nexact = '/r{nth}'\n").unwrap();
    }
    let policy = folder.replace("policy.toml", &full);
    let guard = Guard::start(&["--policy", &policy]).await;
    let accepting = Guard::start(&["--policy", &policy, "--accept-shrink"]).await;
    folder.replace("policy.toml", FIRST);
    guard.logged(["policy 0 stays in force"]).await;
    assert_eq!(guard.status("/r3").await, 403);
    accepting.logged(["policy 1 in force, 1 rules"]).await;
    assert_eq!(accepting.status("/r3").await, 404);
}

#[tokio::test]
async fn allow_is_removed_live_by_sigusr2_and_check_warns_of_it() {
    let folder = TempFolder::new("remove-allow");
    let old = format!("{FIRST}[allow]\nnetworks = ['203.0.113.63', '127.0.0.0/8']\n");
    let policy = folder.replace("policy.toml", &old);
    let guard = Guard::start(&["--policy", &policy]).await;
    assert_eq!(guard.status("/first").await, 404, "the client is allowed");

    let new = format!("{FIRST}[allow]\nnetworks = ['203.0.113.63']\n");
    folder.replace("policy.toml", &new);
    let removed = "this edit removes 127.0.0.0/8 from [allow]; to accept it, send SIGUSR2";
    guard.logged([removed]).await;
    assert_eq!(guard.status("/first").await, 404);
    let old = folder.replace("old.toml", &old);
    let checked = super::support::guard(["check", &policy, "--replaces", &old]);
    assert!(checked.status.success());
    let checked = text(&checked.stdout);
    assert!(
        checked.contains("warning: ") && checked.contains(removed),
        "{checked}"
    );
    let alone = text(&super::support::guard(["check", &policy]).stdout);
    assert!(!alone.contains("warning: "), "{alone}");

    guard.signal("USR2");
    guard
        .logged(["SIGUSR2", "what it removes is accepted"])
        .await;
    guard.logged(["policy 1 in force"]).await;
    assert_eq!(guard.status("/first").await, 403);
    // It was accepted once.
    folder.replace("policy.toml", FIRST);
    guard.logged(["removes 203.0.113.63 from [allow]"]).await;
}

#[tokio::test]
async fn sigusr1_makes_every_rule_observe_within_a_second() {
    let folder = TempFolder::new("sigusr1");
    let policy = folder.replace("policy.toml", FIRST);
    let guard = Guard::start(&["--policy", &policy]).await;
    assert_eq!(guard.status("/first").await, 403);
    let limit = std::time::Duration::from_secs(1);
    guard.signal("USR1");
    let warning = guard.logged(["WARN", "NOTHING IS ENFORCED for 600 s"]);
    tokio::time::timeout(limit, warning)
        .await
        .expect("within a second");
    assert_eq!(
        guard.status("/first").await,
        404,
        "the response of the server"
    );
    guard.logged(["would have been denied", "rule=first"]).await;
}

#[tokio::test]
async fn second_sigusr1_enforces_at_once_and_the_log_explains_it() {
    let folder = TempFolder::new("sigusr1-again");
    let policy = folder.replace("policy.toml", FIRST);
    let guard = Guard::start(&["--policy", &policy]).await;
    guard.signal("USR1");
    guard
        .logged([
            "SIGUSR1",
            "observes for 600 s",
            "send SIGUSR1 again to enforce",
        ])
        .await;
    assert_eq!(guard.status("/first").await, 404);
    guard.signal("USR1");
    guard.logged(["SIGUSR1", "enforced from now on"]).await;
    guard.logged(["rules are enforced again"]).await;
    assert_eq!(guard.status("/first").await, 403);
    guard.signal("USR1");
    let observes = || (guard.log().matches("NOTHING IS ENFORCED").count() == 2).then_some(());
    eventually(observes).await.expect("observing again");
    assert_eq!(guard.status("/first").await, 404);
}

#[test]
fn help_explains_the_signals() {
    let help = text(&guard(["--help"]).stdout);
    for words in [
        "SIGHUP",
        "SIGUSR1",
        "sent again, enforce",
        "SIGUSR2",
        "SIGTERM",
    ] {
        assert!(help.contains(words), "{words}: {help}");
    }
}

#[tokio::test]
async fn unreadable_line_of_a_list_is_named_and_skipped_if_the_list_sets_it() {
    let folder = TempFolder::new("skip-line");
    let lines = "192.0.2.0/24\n198.51.100.0/24 # caf\u{e9}\nnot an address\n203.0.113.0/24\n";
    folder.replace("list", lines);
    let strict = "version = 1\n[ban]\nfiles = ['list']\n";
    let policy = folder.replace("policy.toml", strict);
    let refused = guard(["check", &policy]);
    assert!(!refused.status.success());
    let refused = text(&refused.stderr);
    for words in ["list:3:1: invalid network `not`", "on_error = \"skip\""] {
        assert!(refused.contains(words), "{refused}");
    }

    let lenient = "version = 1\n[ban]\nfiles = [{ file = 'list', on_error = 'skip' }]\n";
    folder.replace("policy.toml", lenient);
    let named = "unreadable lines skipped (1): list:3:1: invalid network `not`";
    let checked = text(&guard(["check", &policy]).stdout);
    assert!(checked.contains(named), "{checked}");
    assert!(checked.contains("3 banned networks"), "{checked}");
    let guard = Guard::start(&["--policy", &policy]).await;
    guard.logged(["WARN"]).await;
    guard.logged([named]).await;
    folder.replace("list", &lines.replace("not an", "no"));
    guard.logged(["policy 1 has warnings: "]).await;
    guard.logged(["list:3:1: invalid network `no`"]).await;
}
