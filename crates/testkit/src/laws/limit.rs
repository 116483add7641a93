//! Laws of rate limits.

use std::{
    num::{NonZeroU8, NonZeroU32},
    sync::Arc,
    time::Duration,
};

use arbitrary::Arbitrary;
use gabion_core::{ClientRules, Explanation, Facts, Inspect as _, Mode, RequestState, Verdict};
use gabion_inspect::{Config as _, Context, State};
use gabion_inspect::{Limit, LimitRule, LimitTable};

use crate::OwnedHead;

/// A rate limit, and a series of requests.
#[derive(Arbitrary, Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "an input, read from bytes")]
pub struct LimitInput {
    /// The number of requests per period.
    pub count: u8,
    /// The period, in milliseconds.
    pub per: u16,
    /// The burst.
    pub burst: u8,
    /// The cost of one request; reduced to at most the burst.
    pub cost: u8,
    /// The requests, in order.
    pub steps: Vec<TimedRequest>,
}

/// One request.
#[derive(Arbitrary, Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "an input, read from bytes")]
pub struct TimedRequest {
    /// The index of the client in `CLIENTS`, modulo its length.
    pub client: u8,
    /// The time since the request before: quarters of the time in which one request grows back.
    pub quarters: u8,
    /// Nanoseconds in addition to `quarters`.
    pub nanos: u8,
}

/// Client addresses, each with the index of its bucket: addresses of one /64 are one client.
const CLIENTS: [(&str, usize); 4] = [
    ("203.0.113.1", 0),
    ("203.0.113.2", 1),
    ("2001:db8::1", 2),
    ("2001:db8::ffff:1", 2),
];

/// The exact token bucket of one client, in nanoseconds: a token is the time in which it grows back.
#[derive(Clone, Copy)]
struct Bucket {
    left: u128,
    at: u128,
}

/// Checks that a limit agrees, for every request, with token buckets that are computed exactly, in whole
/// nanoseconds:
/// 1. a request passes if and only if the client's bucket holds its cost;
/// 2. the remaining quota is exact, and `retry_after` is long enough and too long by at most a quarter of
///    the necessary wait (bounded to 1 s at least and 60 s at most);
/// 3. `explain`, called before, gives the same result and uses no tokens.
///
/// # Panics
///
/// Panics if a law is broken.
pub fn limits(input: &LimitInput) {
    let (rule, interval) = rule(input);
    let cost = u128::from(rule.cost.get());
    let burst = u128::from(rule.burst.map_or(1, u32::from));
    let table = Arc::new(LimitTable::new(64));
    let limit = [rule]
        .compile(&Context::new(&State::scratch().with_limits(table)))
        .expect("a limit within its bounds");
    let (full, price) = (interval * burst, interval * cost);
    let mut buckets = [Bucket { left: full, at: 0 }; CLIENTS.len()];
    let mut now = 0;
    for (index, step) in input.steps.iter().enumerate() {
        now += interval * u128::from(step.quarters) / 4 + u128::from(step.nanos);
        let (addr, index_of_bucket) = CLIENTS[usize::from(step.client) % CLIENTS.len()];
        let bucket = &mut buckets[index_of_bucket];
        bucket.left = full.min(bucket.left + (now - bucket.at));
        bucket.at = now;

        let head = OwnedHead::get("/").from(addr).at(nanos(now));
        let facts = head.facts(&ClientRules::default());
        let explained = explain(&limit, &facts);
        let mut state = RequestState::new(&facts);
        let verdict = limit.inspect(&facts, &mut state);
        assert_eq!(explained.refuses(), verdict.refuses(), "3: request {index}");
        let Verdict::Deny(denial) = verdict else {
            assert!(bucket.left >= price, "1: request {index} passed");
            bucket.left -= price;
            let remaining = state.quotas().first().map(|quota| quota.remaining.into());
            assert_eq!(
                remaining,
                Some(bucket.left / interval),
                "2: request {index}"
            );
            continue;
        };
        assert!(bucket.left < price, "1: request {index} refused");
        let wait = denial.retry_after.expect("2: a wait").as_nanos();
        let least = price - bucket.left;
        let most = least + (least / 4).clamp(1_000_000_000, 60_000_000_000);
        assert!(
            (least..=most).contains(&wait),
            "2: request {index} waits {wait} ns"
        );
    }
}

/// Builds the limit of the input. Returns it with the nanoseconds in which one token grows back.
fn rule(input: &LimitInput) -> (LimitRule, u128) {
    let count = u32::from(input.count.max(1));
    let per = u64::from(input.per.max(1));
    let rate = format!("{count}/{per}ms")
        .parse()
        .expect("a rate within its bounds");
    let burst = NonZeroU32::from(input.burst.try_into().unwrap_or(NonZeroU8::MIN));
    let cost = 1 + u32::from(input.cost) % burst;
    let rule = LimitRule::new("x", rate)
        .burst(burst)
        .cost(cost.try_into().expect("one at least"))
        .show()
        .mode(Mode::Enforce);
    (
        rule,
        Duration::from_millis(per).as_nanos() / u128::from(count),
    )
}

fn explain(limit: &Limit, facts: &Facts<'_>) -> Verdict {
    limit.explain(
        facts,
        &mut RequestState::new(facts),
        &mut Explanation::default(),
    )
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(
        nanos
            .try_into()
            .expect("an input takes less than 500 years"),
    )
}
