//! The use and the evictions of every bounded table are reported.

use std::{net::Ipv4Addr, time::Duration};

use gabion::{
    Guard,
    limit::LimitTable,
    policy::{State, TableUsage},
};

use crate::support::in_process::{InProcess, ban, build_guarded, get};

const POLICY: &str = r#"
    version = 1
    [ban]
    most_percent = 100
    [scan]
    [[limit]]
    id = "x"
    rate = "1/h"
"#;

fn small() -> InProcess {
    let state = State::with_capacity(4).with_limits(LimitTable::new(16));
    build_guarded(|guard| guard.with_state(state).with_policy(POLICY, "policy.toml"))
}

#[track_caller]
fn table(guard: &Guard, name: &str) -> TableUsage {
    let tables = guard.tables();
    let found = tables.iter().find(|table| table.name == name);
    *found.unwrap_or_else(|| panic!("no {name} in {tables:?}"))
}

fn client(n: u32) -> String {
    Ipv4Addr::from(0xcb00_7100 + n).to_string()
}

#[test]
fn every_table_has_a_name_and_a_capacity() {
    let server = small();
    let tables = server.guard.tables();
    let names: Vec<_> = tables.iter().map(|table| table.name).collect();
    let expected = [
        "bans",
        "exemptions",
        "suspects",
        "standings",
        "offenders",
        "neighbors",
        "banned-networks",
        "limits",
        "scores",
        "sessions",
    ];
    assert_eq!(names, expected);
    for table in tables {
        assert!(table.capacity > 0, "{table:?}");
        assert_eq!((table.entries, table.evictions), (0, 0), "{table:?}");
    }
}

#[test]
fn bans_beyond_the_capacity_are_counted_as_evictions() {
    let server = small();
    for n in 0..10 {
        ban(&server, &client(n));
    }
    let bans = table(&server.guard, "bans");
    assert_eq!((bans.entries, bans.capacity, bans.evictions), (4, 4, 6));
}

#[test]
fn limits_beyond_the_capacity_are_counted_as_evictions() {
    let server = small();
    for n in 0..16 {
        server.send(get("/").from(&client(n * 256)));
    }
    let few = table(&server.guard, "limits");
    assert!((1..=16).contains(&few.entries), "{few:?}");
    for n in 16..500 {
        server.send(get("/").from(&client(n * 256)));
    }
    let many = table(&server.guard, "limits");
    // 8 sets of four slots.
    assert_eq!(
        (many.entries, many.capacity, many.evictions),
        (32, 16, 500 - 32)
    );
    // A quota that is full again is no loss.
    server.clock.advance(Duration::from_hours(10_000));
    for n in 500..532 {
        server.send(get("/").from(&client(n * 256)));
    }
    let later = table(&server.guard, "limits").evictions - many.evictions;
    assert!(
        later < 32,
        "{later} of 32 keys replaced others that counted"
    );
}

#[test]
fn clients_beyond_the_capacity_of_a_cache_are_counted_as_evictions() {
    let server = small();
    for n in 0..200 {
        // A path that scanners request, from clients without a score.
        server.send(get("/missing/wp-login.php").from(&client(n * 256)));
    }
    let scores = table(&server.guard, "scores");
    assert!(scores.entries <= scores.capacity, "{scores:?}");
    assert!(scores.evictions >= 100, "{scores:?}");
}
