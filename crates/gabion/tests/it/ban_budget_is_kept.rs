//! Rules ban no more clients than the ban budget of the policy. Beyond it they deny, and report
//! once a minute.

use std::time::Duration;

use gabion::event::BanChange;

use crate::support::in_process::{InProcess, banned, get, guarded};

const POLICY: &str = r#"
    version = 1
    [ban]
    most_per_minute = MINUTE
    most_percent = PERCENT
    [[deny]]
    id = "dotfiles"
    names = [".env"]
    then = "ban 1h"
"#;

fn policy(minute: u32, percent: u8) -> String {
    let policy = POLICY.replace("MINUTE", &minute.to_string());
    policy.replace("PERCENT", &percent.to_string())
}

/// The ban changes caused by these clients, each of which sends one request that bans.
#[track_caller]
fn scanners(server: &InProcess, numbers: std::ops::Range<u32>) -> Vec<Vec<BanChange>> {
    let scan = |number: u32| {
        let client = format!("198.51.{}.{}", number / 256, number % 256);
        let answer = server.send(get("/.env").method("PUT").from(&client));
        assert_eq!(answer.verdict(), "403 dotfiles", "{client}");
        answer.bans()
    };
    numbers.map(scan).collect()
}

#[test]
fn bans_beyond_the_budget_per_minute_are_withheld_and_reported_once() {
    let server = guarded(&policy(5, 100));
    for minute in 0..3 {
        let first = minute * 20;
        let changes = scanners(&server, first..first + 10);
        assert_eq!(changes[..5], vec![vec![BanChange::Placed]; 5]);
        match &changes[5][..] {
            [BanChange::Withheld(why)] => assert!(why.contains("most_per_minute"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(changes[6..], vec![vec![]; 4], "and then no more");
        assert_eq!(banned(&server).len(), 5 * (minute as usize + 1));
        server.clock.advance(Duration::from_mins(1));
    }
    let standing = server.send(get("/").from("198.51.0.0"));
    assert_eq!(standing.verdict(), "403 ban/timed", "earlier bans stay");
}

#[test]
fn banned_share_of_the_clients_is_bounded() {
    let server = guarded(&policy(10_000, 10));
    for number in 0..400_u32 {
        let client = format!("192.0.{}.{}", 2 + number / 250, number % 250);
        assert_eq!(server.verdict(get("/").from(&client)), "200");
    }
    scanners(&server, 0..200);
    let banned = banned(&server).len();
    assert!((38..=62).contains(&banned), "{banned} of about 600");
}

#[test]
fn share_does_not_apply_to_few_clients() {
    let server = guarded(&policy(10_000, 1));
    scanners(&server, 0..40);
    assert_eq!(banned(&server).len(), 40);
}

#[test]
fn reload_applies_the_new_budget() {
    let server = guarded(&policy(1, 100));
    scanners(&server, 0..3);
    assert_eq!(banned(&server).len(), 1);
    server
        .guard
        .policy_handle()
        .replace(&policy(100, 100))
        .unwrap();
    server.events.take();
    scanners(&server, 3..6);
    assert_eq!(banned(&server).len(), 4);
    assert!(
        server
            .guard
            .policy_handle()
            .replace(&policy(1, 101))
            .is_err()
    );
}
