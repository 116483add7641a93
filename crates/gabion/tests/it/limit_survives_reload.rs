//! A budget is not full again because somebody saved the policy.

use std::time::Duration;

use crate::support::in_process::Wall;

fn policy(rate: &str, more: &str) -> String {
    format!("version = 1\n[[limit]]\nid = 'x'\nmode = 'enforce'\nrate = '{rate}'\n{more}\n")
}

fn passed(wall: &Wall) -> usize {
    (0..50).filter(|_| wall.send("/").status == 200).count()
}

#[test]
fn used_budget_stays_used() {
    let wall = Wall::of(&policy("5/s", ""));
    // A limiter that reckons from when it was made would give all of it back.
    wall.clock.advance(Duration::from_secs(100));
    assert_eq!(passed(&wall), 5);
    for _ in 0..5 {
        let same = policy("5/s", "[[deny]]\nid = 'php'\nextensions = 'php'");
        wall.guard.policy_handle().replace(&same).unwrap();
        assert_eq!(passed(&wall), 0);
        wall.clock.advance(Duration::from_millis(400));
        assert_eq!(passed(&wall), 2, "what has grown back, and no more");
    }
}

#[test]
fn loosened_limit_holds_nobody_to_what_was() {
    let wall = Wall::of(&policy("2/d", ""));
    assert_eq!(passed(&wall), 2);
    wall.guard
        .policy_handle()
        .replace(&policy("2/s", ""))
        .unwrap();
    wall.clock.advance(Duration::from_millis(1));
    assert_eq!(passed(&wall), 0, "it is used up");
    wall.clock.advance(Duration::from_secs(1));
    assert_eq!(passed(&wall), 2, "and back in a second, not in a day");
}

#[test]
fn tightened_limit_acts_at_once() {
    let wall = Wall::of(&policy("50/s", ""));
    assert_eq!(passed(&wall), 50);
    wall.guard
        .policy_handle()
        .replace(&policy("1/m", ""))
        .unwrap();
    wall.clock.advance(Duration::from_secs(1));
    assert_eq!(passed(&wall), 1, "in a second fifty were back");
    wall.clock.advance(Duration::from_secs(59));
    assert_eq!(passed(&wall), 0);
}

#[test]
fn cases_of_a_policy_use_up_nobody_s_budget() {
    let case = "[[expect]]\nrequest = '/'\nfrom = '203.0.113.9'\nverdict = 'pass'\n";
    let held = policy("1/h", &case.repeat(3));
    let wall = Wall::of(&held);
    wall.guard.policy_handle().replace(&held).unwrap();
    assert_eq!(passed(&wall), 1);
}
