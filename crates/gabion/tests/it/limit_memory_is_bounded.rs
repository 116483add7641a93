//! Ten million clients take no more memory than a table has, and free nobody who is held.

use std::{net::Ipv4Addr, ops::Range, thread};

use gabion::{
    GuardBuilder, Inspect, Mode, PeerAddr, RequestState, Verdict,
    client::ClientRules,
    inspect::{Config as _, Context, State},
    limit::{Limit, LimitRule},
};
use gabion_testkit::OwnedHead;
use http::HeaderMap;

use crate::support::in_process::{Wall, get};

const CLIENTS: u32 = 10_000_000;

/// How many strangers come between two requests of somebody who is held.
const BETWEEN: u32 = 10_000;

const POLICY: &str = r#"
    version = 1
    [[limit]]
    id = "x"
    rate = "1/h"
    mode = "enforce"
"#;

/// The strangers meet the limit alone, on two threads, so that ten million of them take seconds.
/// Whoever is held meets the whole wall, which counts in the same table.
#[test]
fn ten_million_clients_fit_and_free_nobody() {
    let state = State::default();
    let rule = LimitRule::new("x", "1/h".parse().unwrap()).mode(Mode::Enforce);
    let limit = [rule].compile(&Context::new(&state)).unwrap();
    let with_state = |guard: GuardBuilder| guard.with_state(state.clone());
    let wall = Wall::built(|guard| with_state(guard).with_policy(POLICY, "policy.toml"));
    wall.ban("198.51.100.7");
    assert_eq!(wall.verdict("/"), "200");

    let half = CLIENTS / 2;
    thread::scope(|threads| {
        threads.spawn(|| strangers(&limit, 0..half, |_| {}));
        strangers(&limit, half..CLIENTS, |n| {
            if n % BETWEEN == 0 {
                assert_eq!(wall.verdict("/"), "429 x", "after {n}");
                let banned = get("/").from("198.51.100.7");
                assert_eq!(wall.verdict(banned), "403 ban/timed", "after {n}");
            }
        });
    });
    let table = state.limits();
    println!("{} cells, {} bytes", table.len(), table.memory());
    assert!(table.memory() <= 7 << 20, "{} bytes", table.memory());
}

/// Has each stranger ask for the first time.
fn strangers(limit: &Limit, numbers: Range<u32>, mut after: impl FnMut(u32)) {
    let (head, clients, none) = (
        OwnedHead::get("/"),
        ClientRules::default(),
        HeaderMap::new(),
    );
    let mut facts = head.facts(&clients);
    let mut state = RequestState::new(&facts);
    for n in numbers {
        let addr = Ipv4Addr::from(0x2d00_0000 + n);
        facts.client = clients.resolve(PeerAddr::new((addr, 4711).into()), &none);
        let verdict = limit.inspect(&facts, &mut state);
        assert_eq!(verdict, Verdict::Pass, "each is new: {n}");
        after(n);
    }
}
