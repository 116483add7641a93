//! A reload of the policy does not refill a budget.

use std::time::Duration;

use crate::support::in_process::{InProcess, guarded};

fn policy(rate: &str, more: &str) -> String {
    format!("version = 1\n[[limit]]\nid = 'x'\nmode = 'enforce'\nrate = '{rate}'\n{more}\n")
}

fn passed(server: &InProcess) -> usize {
    (0..50).filter(|_| server.send("/").status == 200).count()
}

#[test]
fn used_budget_stays_used() {
    let server = guarded(&policy("5/s", ""));
    // A limiter that counts from its creation would refill the budget.
    server.clock.advance(Duration::from_secs(100));
    assert_eq!(passed(&server), 5);
    for _ in 0..5 {
        let same = policy("5/s", "[[deny]]\nid = 'php'\nextensions = 'php'");
        server.guard.policy_handle().replace(&same).unwrap();
        assert_eq!(passed(&server), 0);
        server.clock.advance(Duration::from_millis(400));
        assert_eq!(passed(&server), 2, "what has grown back, and no more");
    }
}

#[test]
fn raised_limit_applies_at_once() {
    let server = guarded(&policy("2/d", ""));
    assert_eq!(passed(&server), 2);
    server
        .guard
        .policy_handle()
        .replace(&policy("2/s", ""))
        .unwrap();
    server.clock.advance(Duration::from_millis(1));
    assert_eq!(passed(&server), 0, "it is used up");
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(passed(&server), 2, "and back in a second, not in a day");
}

#[test]
fn lowered_limit_applies_at_once() {
    let server = guarded(&policy("50/s", ""));
    assert_eq!(passed(&server), 50);
    server
        .guard
        .policy_handle()
        .replace(&policy("1/m", ""))
        .unwrap();
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(passed(&server), 1, "in a second fifty were back");
    server.clock.advance(Duration::from_secs(59));
    assert_eq!(passed(&server), 0);
}

#[test]
fn expect_cases_use_no_budget() {
    let case = "[[expect]]\nrequest = '/'\nfrom = '203.0.113.9'\nverdict = 'pass'\n";
    let held = policy("1/h", &case.repeat(3));
    let server = guarded(&held);
    server.guard.policy_handle().replace(&held).unwrap();
    assert_eq!(passed(&server), 1);
}
