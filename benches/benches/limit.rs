//! A limit per client, beside governor's own keyed store (dashmap) with the same quota.
//!
//! `cargo bench -p gabion-benches --bench limit`
//!
//! Clients send requests in random order with equal frequency; the limit never refuses. Both
//! implementations get a resolved client and the current time, so that neither reads a clock; the time
//! advances by one second in each round. The time to choose and resolve a client is measured alone and
//! subtracted. It contains the hash of the client, which all limits and tables of gabion share; a row of each
//! group computes it once more. In the last row, the limit also counts for other instances; what it counts is taken
//! once per round.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    reason = "a bench may panic, and needs only the digits that it prints"
)]

use std::{
    cell::Cell,
    hint::black_box,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use gabion::{
    ClientIp, Facts, Inspect, Mode, PeerAddr, RequestState, Verdict,
    client::ClientRules,
    inspect::{Config as _, Context, Now, State},
    limit::{LimitRule, LimitTable},
};
use gabion_benches::{Comparison, Rng, is_test};
use gabion_testkit::OwnedHead;
use governor::{
    Quota, RateLimiter, clock::FakeRelativeClock, middleware::NoOpMiddleware, nanos::Nanos,
    state::keyed::DashMapStateStore,
};
use http::HeaderMap;

/// Rounds, and requests per round.
const ROUNDS: usize = 15;
const REQUESTS: usize = 1 << 18;

/// Requests per second, more than a round sends.
const RATE: NonZeroU32 = NonZeroU32::new(1_000_000).unwrap();

/// The address family of the clients.
#[derive(Clone, Copy, Debug)]
enum Family {
    V4,
    V6,
}

fn main() {
    println!(
        "{:<8}{:>10}{:>32}{:>9}{:>9}{:>12}",
        "", "clients", "", "ns", "ratio", "bytes each"
    );
    let counts: &[u64] = if is_test() {
        &[1, 100]
    } else {
        &[1, 10_000, 1_000_000]
    };
    for family in [Family::V4, Family::V6] {
        for &count in counts {
            compare(family, count);
        }
    }
}

fn compare(family: Family, count: u64) {
    let head = OwnedHead::get("/");
    let rules = ClientRules::default();
    let client = |number: u64| family.client(number, &rules);
    let facts = || head.facts(&rules);
    let requests = if is_test() { 64 } else { REQUESTS };

    let limit_in = |table: &Arc<LimitTable>| {
        let table = table.clone();
        let rule = LimitRule::new("per-client", format!("{RATE}/s").parse().unwrap());
        let limit = [rule.mode(Mode::Enforce)]
            .compile(&Context::new(&State::scratch().with_limits(table)))
            .unwrap();
        let mut facts = facts();
        let mut state = RequestState::new(&facts);
        for number in 0..count {
            facts.client = client(number);
            limit.inspect(&facts, &mut state);
        }
        limit
    };
    let new_table = || Arc::new(LimitTable::new(count as usize));
    let (limit, gabion_bytes) = with_memory(|| limit_in(&new_table()));
    let shared_table = new_table();
    let (shared, shared_bytes) = with_memory(|| {
        shared_table.share_by([1, 2]);
        limit_in(&shared_table)
    });
    let clock = FakeRelativeClock::default();
    let (limiter, governor_bytes) = with_memory(|| {
        let quota = Quota::per_second(RATE);
        let store = DashMapStateStore::<IpAddr>::default();
        let limiter: RateLimiter<_, _, _, NoOpMiddleware<Nanos>> =
            RateLimiter::new(quota, store, clock.clone());
        for number in 0..count {
            let _ = limiter.check_key(&client(number).addr());
        }
        limiter
    });

    let seconds = Cell::new(0);
    let round = |judge: &dyn Fn(&Facts<'_>, &mut RequestState) -> bool| {
        seconds.set(seconds.get() + 1);
        clock.advance(Duration::from_secs(1));
        let mut rng = Rng::new(2);
        let mut facts = facts();
        facts.now = Now::new(Duration::from_secs(seconds.get()), UNIX_EPOCH);
        let mut state = RequestState::new(&facts);
        let passed = (0..requests).filter(|_| {
            facts.client = client(rng.below(count as usize) as u64);
            judge(&facts, &mut state)
        });
        passed.count()
    };
    let counts = Cell::new(Vec::new());
    let mut comparison = Comparison::new();
    comparison.add("nothing", || {
        round(&|facts, _| facts.client.exempt().is_none())
    });
    comparison.add("governor", || {
        round(&|facts, _| limiter.check_key(&facts.client.addr()).is_ok())
    });
    comparison.add("gabion", || {
        round(&|facts, state| limit.inspect(facts, state) == Verdict::Pass)
    });
    comparison.add("gabion, with the client's hash", || {
        round(&|facts, state| {
            black_box(ClientIp::key_of(facts.client.network()));
            limit.inspect(facts, state) == Verdict::Pass
        })
    });
    comparison.add("gabion, with other instances", || {
        let mut taken = counts.take();
        shared_table.take_counts(&mut taken);
        taken.clear();
        counts.set(taken);
        round(&|facts, state| shared.inspect(facts, state) == Verdict::Pass)
    });
    let rounds = if is_test() { 1 } else { ROUNDS };
    let [nothing, governor, gabion, hashed, shared] = &comparison.run(rounds, requests)[..] else {
        unreachable!("five are added");
    };
    for (timing, bytes) in [
        (governor, governor_bytes),
        (gabion, gabion_bytes),
        (hashed, gabion_bytes),
        (shared, shared_bytes),
    ] {
        let nanos = timing.nanos - nothing.nanos;
        let ratio = nanos / (governor.nanos - nothing.nanos);
        let each = bytes / count as f64;
        let family = format!("{family:?}");
        println!(
            "{family:<8}{count:>10}{:>32}{nanos:>9.1}{ratio:>9.2}{each:>12.1}",
            timing.name
        );
    }
}

/// Returns the result of `make` and the bytes that it holds on the heap.
fn with_memory<T>(make: impl FnOnce() -> T) -> (T, f64) {
    let mut it = None;
    let memory = allocation_counter::measure(|| it = Some(make()));
    (it.unwrap(), memory.bytes_current as f64)
}

// === impl Family ===

impl Family {
    /// Returns the client with this number. Addresses are scrambled; none of them is exempt.
    fn client(self, number: u64, rules: &ClientRules) -> ClientIp {
        // An odd multiplier maps each number to a different address.
        let mixed = (number as u32).wrapping_mul(0x9e37_79b1) & 0xff_ffff;
        let addr: IpAddr = match self {
            Self::V4 => Ipv4Addr::from_bits(0x2c00_0000 | mixed).into(),
            Self::V6 => Ipv6Addr::from_bits(0x2a00 << 112 | u128::from(mixed) << 64).into(),
        };
        rules.resolve(PeerAddr::new((addr, 4711).into()), &HeaderMap::new())
    }
}
