//! Rules ban no more clients than the policy has budget for; beyond it they deny, and say so once a
//! minute.

use std::time::Duration;

use gabion::event::BanChange;

use crate::support::in_process::{Wall, get};

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

/// What so many proven scanners lead to, one after another.
#[track_caller]
fn scanners(wall: &Wall, numbers: std::ops::Range<u32>) -> Vec<Vec<BanChange>> {
    let scan = |number: u32| {
        let client = format!("198.51.{}.{}", number / 256, number % 256);
        let answer = wall.send(get("/.env").method("PUT").from(&client));
        assert_eq!(answer.verdict(), "403 dotfiles", "{client}");
        answer.bans()
    };
    numbers.map(scan).collect()
}

#[test]
fn bans_beyond_the_minutes_budget_are_withheld_and_told_once() {
    let wall = Wall::of(&policy(5, 100));
    for minute in 0..3 {
        let first = minute * 20;
        let changes = scanners(&wall, first..first + 10);
        assert_eq!(changes[..5], vec![vec![BanChange::Placed]; 5]);
        match &changes[5][..] {
            [BanChange::Withheld(why)] => assert!(why.contains("most_per_minute"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(changes[6..], vec![vec![]; 4], "and then no more");
        assert_eq!(wall.banned().len(), 5 * (minute as usize + 1));
        wall.clock.advance(Duration::from_mins(1));
    }
    let standing = wall.send(get("/").from("198.51.0.0"));
    assert_eq!(
        standing.verdict(),
        "403 ban/timed",
        "who is banned stays so"
    );
}

#[test]
fn no_more_than_a_share_of_the_clients_is_banned() {
    let wall = Wall::of(&policy(10_000, 10));
    for number in 0..400_u32 {
        let client = format!("192.0.{}.{}", 2 + number / 250, number % 250);
        assert_eq!(wall.verdict(get("/").from(&client)), "200");
    }
    scanners(&wall, 0..200);
    let banned = wall.banned().len();
    assert!((38..=62).contains(&banned), "{banned} of about 600");
}

#[test]
fn few_clients_have_no_share() {
    let wall = Wall::of(&policy(10_000, 1));
    scanners(&wall, 0..40);
    assert_eq!(wall.banned().len(), 40);
}

#[test]
fn new_policy_brings_its_own_budget() {
    let wall = Wall::of(&policy(1, 100));
    scanners(&wall, 0..3);
    assert_eq!(wall.banned().len(), 1);
    wall.guard
        .policy_handle()
        .replace(&policy(100, 100))
        .unwrap();
    wall.told.take();
    scanners(&wall, 3..6);
    assert_eq!(wall.banned().len(), 4);
    assert!(wall.guard.policy_handle().replace(&policy(1, 101)).is_err());
}
