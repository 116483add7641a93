//! Laws of limits.

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

/// A limit, and who asks when.
#[derive(Arbitrary, Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "an input, read from bytes")]
pub struct Plan {
    /// How many, in the time that follows.
    pub count: u8,
    /// Milliseconds.
    pub per: u16,
    /// How many at once.
    pub burst: u8,
    /// What one request uses.
    pub cost: u8,
    /// The requests, in order.
    pub steps: Vec<Step>,
}

/// One request.
#[derive(Arbitrary, Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "an input, read from bytes")]
pub struct Step {
    /// Who asks, as `CLIENTS` counts them.
    pub client: u8,
    /// How long after the one before: quarters of what one request takes to grow back,
    pub quarters: u8,
    /// and nanoseconds.
    pub nanos: u8,
}

/// Whoever asks, and whose budget that uses: addresses of one /64 are one client.
const CLIENTS: [(&str, usize); 4] = [
    ("203.0.113.1", 0),
    ("203.0.113.2", 1),
    ("2001:db8::1", 2),
    ("2001:db8::ffff:1", 2),
];

/// One client's budget, counted in the time that it takes to grow back.
#[derive(Clone, Copy)]
struct Budget {
    left: u128,
    at: u128,
}

/// A limit answers every request as budgets do that are counted one by one, exactly, in whole
/// nanoseconds:
/// 1. it passes who has the cost left, and nobody else;
/// 2. it tells how many are left, and a wait that is long enough and at most a quarter longer
///    (a second at least, a minute at most);
/// 3. explaining says the same beforehand, and uses nothing.
///
/// # Panics
///
/// Where a law is broken.
pub fn limits(plan: &Plan) {
    let (rule, interval) = rule(plan);
    let cost = u128::from(rule.cost.get());
    let burst = u128::from(rule.burst.map_or(1, u32::from));
    let table = Arc::new(LimitTable::new(64));
    let limit = [rule]
        .compile(&Context::new(&State::scratch().with_limits(table)))
        .expect("a limit within its bounds");
    let (full, price) = (interval * burst, interval * cost);
    let mut budgets = [Budget { left: full, at: 0 }; CLIENTS.len()];
    let mut now = 0;
    for (index, step) in plan.steps.iter().enumerate() {
        now += interval * u128::from(step.quarters) / 4 + u128::from(step.nanos);
        let (addr, whose) = CLIENTS[usize::from(step.client) % CLIENTS.len()];
        let budget = &mut budgets[whose];
        budget.left = full.min(budget.left + (now - budget.at));
        budget.at = now;

        let head = OwnedHead::get("/").from(addr).at(nanos(now));
        let facts = head.facts(&ClientRules::default());
        let said = explain(&limit, &facts);
        let mut state = RequestState::new(&facts);
        let verdict = limit.inspect(&facts, &mut state);
        assert_eq!(said.refuses(), verdict.refuses(), "3: request {index}");
        let Verdict::Deny(denial) = verdict else {
            assert!(budget.left >= price, "1: request {index} passed");
            budget.left -= price;
            let told = state.quotas().next().map(|quota| quota.remaining.into());
            assert_eq!(told, Some(budget.left / interval), "2: request {index}");
            continue;
        };
        assert!(budget.left < price, "1: request {index} refused");
        let wait = denial.retry_after.expect("2: a wait").as_nanos();
        let least = price - budget.left;
        let most = least + (least / 4).clamp(1_000_000_000, 60_000_000_000);
        assert!(
            (least..=most).contains(&wait),
            "2: request {index} waits {wait} ns"
        );
    }
}

/// What the plan limits, and how many nanoseconds one request takes to grow back.
fn rule(plan: &Plan) -> (LimitRule, u128) {
    let count = u32::from(plan.count.max(1));
    let per = u64::from(plan.per.max(1));
    let rate = format!("{count}/{per}ms")
        .parse()
        .expect("a rate within its bounds");
    let burst = NonZeroU32::from(plan.burst.try_into().unwrap_or(NonZeroU8::MIN));
    let cost = 1 + u32::from(plan.cost) % burst;
    let rule = LimitRule {
        burst: Some(burst),
        cost: cost.try_into().expect("one at least"),
        show: true,
        ..LimitRule::new("x", rate).mode(Mode::Enforce)
    };
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
    Duration::from_nanos(nanos.try_into().expect("no plan takes centuries"))
}
