//! Ten million clients use no more memory than the table has, and release no client that is limited
//! or banned.

use std::{net::Ipv4Addr, ops::Range, thread};

use gabion::{
    GuardBuilder, Inspect, Mode, PeerAddr, RequestState, Verdict,
    client::ClientRules,
    inspect::{Config as _, Context, State},
    limit::{Limit, LimitRule},
};
use gabion_testkit::OwnedHead;
use http::HeaderMap;

use crate::support::in_process::{ban, build_guarded, get};

const CLIENTS: u32 = 10_000_000;

/// The number of new clients between two requests of a limited client.
const BETWEEN: u32 = 10_000;

const POLICY: &str = r#"
    version = 1
    [[limit]]
    id = "x"
    rate = "1/h"
    mode = "enforce"
"#;

/// New clients call the limit alone, on two threads, so that ten million take seconds. The limited
/// client sends requests through the whole guard, which counts in the same table.
#[test]
fn ten_million_clients_fit_and_release_no_limited_client() {
    let state = State::default();
    let rule = LimitRule::new("x", "1/h".parse().unwrap()).mode(Mode::Enforce);
    let limit = [rule].compile(&Context::new(&state)).unwrap();
    let with_state = |guard: GuardBuilder| guard.with_state(state.clone());
    let server = build_guarded(|guard| with_state(guard).with_policy(POLICY, "policy.toml"));
    ban(&server, "198.51.100.7");
    assert_eq!(server.verdict("/"), "200");

    let half = CLIENTS / 2;
    let sharing = thread::scope(|threads| {
        let others = threads.spawn(|| new_clients(&limit, 0..half, |_| {}));
        let sharing = new_clients(&limit, half..CLIENTS, |n| {
            if n % BETWEEN == 0 {
                assert_eq!(server.verdict("/"), "429 x", "after {n}");
                let banned = get("/").from("198.51.100.7");
                assert_eq!(server.verdict(banned), "403 ban/timed", "after {n}");
            }
        });
        sharing + others.join().unwrap()
    });
    // In one of a hundred runs, two of the ten million share a quota (see `LimitTable`).
    assert!(sharing <= 2, "{sharing} new clients are limited");
    let table = state.limits();
    println!("{} cells, {} bytes", table.len(), table.memory());
    assert!(table.memory() <= 7 << 20, "{} bytes", table.memory());
}

/// Sends the first request of each client. Returns the number of those that are limited.
fn new_clients(limit: &Limit, numbers: Range<u32>, mut after: impl FnMut(u32)) -> u32 {
    let (head, clients, none) = (
        OwnedHead::get("/"),
        ClientRules::default(),
        HeaderMap::new(),
    );
    let mut facts = head.facts(&clients);
    let mut state = RequestState::new(&facts);
    let mut limited = 0;
    for n in numbers {
        let addr = Ipv4Addr::from(0x2d00_0000 + n);
        facts.client = clients.resolve(PeerAddr::new((addr, 4711).into()), &none);
        let verdict = limit.inspect(&facts, &mut state);
        limited += u32::from(verdict != Verdict::Pass);
        after(n);
    }
    limited
}
