//! A guard with a timer maintains itself.

#![expect(
    clippy::disallowed_methods,
    reason = "it waits for a thread, by the system's clock"
)]

use std::time::{Duration, Instant};

use gabion::{Guard, GuardBuilder};
use gabion_testkit::ManualClock;
use hyper_util::rt::TokioTimer;

/// Returns `true` if an expired ban is removed within `within` without a call of `maintain`.
fn drops_expired_bans(builder: GuardBuilder, within: Duration) -> bool {
    let guard = builder.with_policy("version = 1\n", "policy").unwrap();
    guard.ban(
        "203.0.113.9".parse().unwrap(),
        Duration::from_millis(1),
        "test",
    );
    assert_eq!(guard.bans().len(), 1);
    let until = Instant::now() + within;
    while !guard.bans().is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    guard.bans().is_empty()
}

#[test]
fn expired_bans_are_dropped_where_a_timer_is_given() {
    let with_timer = Guard::builder().with_timer(TokioTimer::new());
    assert!(drops_expired_bans(with_timer, Duration::from_secs(20)));
}

#[test]
fn guard_with_another_clock_is_left_alone() {
    let clock = std::sync::Arc::new(ManualClock::default());
    let builder = Guard::builder().with_timer(TokioTimer::new());
    let guard = builder.with_clock(clock.clone());
    let guard = guard.with_policy("version = 1\n", "policy").unwrap();
    guard.ban(
        "203.0.113.9".parse().unwrap(),
        Duration::from_secs(1),
        "test",
    );
    clock.advance(Duration::from_secs(2));
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(guard.bans().len(), 1);
    guard.maintain();
    assert!(guard.bans().is_empty());
}

#[test]
fn thread_ends_with_its_guard() {
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").ok()?;
        let names = tasks
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        Some(
            names
                .filter(|name| name.trim() == "gabion-maintain")
                .count(),
        )
    };
    let Some(before) = threads() else {
        eprintln!("skipped: /proc is not here");
        return;
    };
    let many = 400;
    let guards: Vec<_> = (0..many)
        .map(|_| Guard::from_policy("version = 1\n").unwrap())
        .collect();
    assert!(threads().unwrap() >= before.min(many) && threads().unwrap() >= many / 2);
    drop(guards);
    let until = Instant::now() + Duration::from_secs(20);
    // Other tests have guards of their own; these are gone once far fewer threads are left.
    while threads().unwrap() > many / 2 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(
        threads().unwrap() <= many / 2,
        "{} threads",
        threads().unwrap()
    );
}
