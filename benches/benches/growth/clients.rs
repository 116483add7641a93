//! The time of a rate limit by the number of its clients.

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    sync::Arc,
};

use gabion::{
    ClientIp, Inspect as _, Mode, PeerAddr, RequestState, Verdict,
    client::ClientRules,
    inspect::{Config as _, Context, State},
    limit::{LimitRule, LimitTable},
};
use gabion_benches::Rng;
use gabion_testkit::OwnedHead;
use governor::{
    Quota, RateLimiter, clock::FakeRelativeClock, middleware::NoOpMiddleware, nanos::Nanos,
    state::keyed::DashMapStateStore,
};
use http::HeaderMap;

use crate::{Points, ROUNDS, Work, grow, lookups};

/// The rate of the limits, which is never reached: the sum of all rounds is lower.
const RATE: NonZeroU32 = NonZeroU32::new(1_000_000).unwrap();

pub(crate) fn limit(counts: &[usize]) -> Points {
    let (head, rules) = (OwnedHead::get("/"), ClientRules::default());
    let facts = || head.facts(&rules);
    let facts = &facts;
    grow(counts, |count| {
        let table = Arc::new(LimitTable::new(count));
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
        checks(count, move |client| {
            facts.client = client;
            limit.inspect(&facts, &mut state) == Verdict::Pass
        })
    })
}

pub(crate) fn governor(counts: &[usize]) -> Points {
    grow(counts, |count| {
        let store = DashMapStateStore::<IpAddr>::default();
        let limiter: RateLimiter<_, _, _, NoOpMiddleware<Nanos>> =
            RateLimiter::new(Quota::per_second(RATE), store, FakeRelativeClock::default());
        for number in 0..count {
            let _ = limiter.check_key(&client(number).addr());
        }
        checks(count, move |client| {
            limiter.check_key(&client.addr()).is_ok()
        })
    })
}

/// Checks clients in random order, out of `count` clients, in each round others. `passes` checks one.
fn checks<'l>(count: usize, mut passes: impl FnMut(ClientIp) -> bool + 'l) -> Work<'l> {
    let mut rng = Rng::new(2);
    let clients = (0..ROUNDS * lookups()).map(|_| client(rng.below(count)));
    let clients: Vec<_> = clients.collect();
    let mut round = 0;
    Box::new(move || {
        let from = round % ROUNDS * lookups();
        round += 1;
        let clients = &clients[from..][..lookups()];
        clients.iter().filter(|client| passes(**client)).count()
    })
}

/// Returns the client with this number. Addresses are scrambled; those of 16,000,000 numbers differ.
pub(crate) fn client(number: usize) -> ClientIp {
    // An odd multiplier maps each number to a different address.
    let mixed = (number as u32).wrapping_mul(0x9e37_79b1) & 0xff_ffff;
    let addr = IpAddr::from(Ipv4Addr::from_bits(0x2c00_0000 | mixed));
    ClientRules::default().resolve(PeerAddr::new((addr, 4711).into()), &HeaderMap::new())
}
