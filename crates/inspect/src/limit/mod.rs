//! Refuses whoever asks for more than a share.
//!
//! A request passes when every enforced limit that counts it has its cost left under the key of the
//! request. Budgets grow back evenly (GCRA): `"20/s"` with a burst of 200 lets 200 through at once,
//! and twenty a second from then on. What is refused costs nothing.
//!
//! Who may not be held to anything ([`gabion_core::ClientIp::exempt`]: this host, trusted proxies,
//! private addresses) is not limited by any key.
//!
//! # Keys that clients write
//!
//! A header, a cookie, a path and a host are whatever the client writes, and each new value has a
//! budget of its own. So a limit that counts by one of them also counts by address, with a budget
//! `ceiling` times as high (ten): an invented token multiplies nothing, and ten people behind one
//! address who all use up theirs have enough. Who sends no such header or cookie, or several, counts
//! by address.
//!
//! # Limits that wait for the answer
//!
//! A limit on `statuses` takes its cost once the service has answered with one of them, and refuses
//! where nothing is left. Requests that are under way at once may exceed it by their number.
//!
//! # Preflights
//!
//! A CORS preflight costs nothing: a page cannot wait between it and its request. It is held to the
//! ceiling of its address all the same.
//!
//! # Cost
//!
//! Per limit that counts a request: one keyed hash and one look-up, two of each where there is a
//! ceiling. No allocation for a key that is known.

mod compile;
mod config;
mod gcra;
mod key;
mod rate;
mod scope;
mod table;
#[cfg(test)]
mod tests;

use std::{
    hash::{BuildHasher, Hasher},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use gabion_core::{
    Cause, ClientIp, Denial, Explanation, Facts, Inspect, Mode, Offense, Outcome, Quota, Reason,
    RequestState, RuleId, Ticket, Verdict,
};
use http::StatusCode;

use crate::{Config, ConfigErrors, Context};
use gcra::{Gcra, Left};
use key::Key;
use scope::Scope;
use table::Check;

pub use config::LimitRule;
pub use rate::{Rate, RateError};
pub use table::LimitTable;

/// Refuses what exceeds a rate. Compiled from [`LimitRule`]s; what it counts lives in a
/// [`LimitTable`], by the rule's id and key.
///
/// # Examples
///
/// ```
/// use gabion_core::Mode;
/// use gabion_inspect::{Config, Context, LimitRule, State};
///
/// let rule = LimitRule::new("per-client", "20/s".parse()?).mode(Mode::Enforce);
/// let limit = [rule].compile(&Context::new(&State::default()))?;
/// assert_eq!(limit.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Limit {
    rules: Vec<Rule>,
    table: Arc<LimitTable>,
}

#[derive(Debug)]
struct Rule {
    id: RuleId,
    mode: Mode,
    scope: Scope,
    keys: Vec<Key>,
    /// The rule and its keys, hashed once for all requests; and the rule with its ceiling.
    hash: u64,
    ceiling_hash: u64,
    /// The keys, for people; and what the ceiling counts by.
    by: Arc<str>,
    by_address: Arc<str>,
    /// Whether a client can have as many keys as it likes.
    is_inventable: bool,
    budget: Gcra,
    ceiling: Gcra,
    cost: NonZeroU32,
    show: bool,
}

impl Config for [LimitRule] {
    type Output = Limit;

    /// Compiles limits that count in the [`LimitTable`] of `context`. A rule without a mode observes.
    ///
    /// # Errors
    ///
    /// Every entry of every rule that cannot be compiled; more than 256 rules.
    fn compile(&self, context: &Context) -> Result<Limit, ConfigErrors> {
        compile::compile(self, Arc::clone(context.state().limits()))
    }
}

// === impl Limit ===

impl Limit {
    /// How many limits there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are no limits.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    fn judge(&self, facts: &Facts<'_>, state: &mut RequestState, check: Check) -> Verdict {
        if facts.client.exempt().is_some() {
            return Verdict::Pass;
        }
        for (index, rule) in (0..).zip(&self.rules) {
            if !rule.scope.holds(facts) {
                continue;
            }
            match self.count(index, rule, facts, state, check) {
                Some(denial) if denial.mode == Mode::Enforce => return denial.into(),
                Some(denial) => state.observe(denial),
                None => {}
            }
        }
        Verdict::Pass
    }

    /// Counts one request by one rule; the refusal if it is one too many.
    fn count(
        &self,
        index: u32,
        rule: &Rule,
        facts: &Facts<'_>,
        state: &mut RequestState,
        check: Check,
    ) -> Option<Denial> {
        let waits = rule.scope.waits_for_answer();
        let check = if waits { Check::Look } else { check };
        let preflight = scope::is_preflight(facts);
        if !preflight {
            let key = self.key(rule, facts);
            let left = self.ask(key, rule.budget, rule.cost, facts.now.mono(), check);
            if rule.show && rule.mode == Mode::Enforce {
                state.show_quota(rule.quota(left));
            }
            if let Err(wait) = left {
                return Some(rule.refuse(rule.budget, &rule.by, wait));
            }
            if waits {
                // There is room: no more such limits are compiled than tickets are kept.
                state.leave(Ticket {
                    of: self.name(),
                    rule: index,
                    key,
                });
            }
        }
        if !preflight && !rule.is_inventable {
            return None;
        }
        let key = self.ceiling_key(rule, &facts.client);
        let left = self.ask(key, rule.ceiling, rule.cost, facts.now.mono(), check);
        left.err()
            .map(|wait| rule.refuse(rule.ceiling, &rule.by_address, wait))
    }

    /// What is left, or when it is worth trying again: never before it is, and not for everybody at
    /// the same moment.
    fn ask(
        &self,
        key: u64,
        budget: Gcra,
        cost: NonZeroU32,
        now: Duration,
        check: Check,
    ) -> Result<Duration, Duration> {
        let left = self.table.check(key, budget, cost, now, check);
        left.map_err(|wait| {
            let dice = self.table.seed().hash_one((key, now));
            jitter(wait, dice)
        })
    }

    fn key(&self, rule: &Rule, facts: &Facts<'_>) -> u64 {
        let mut hasher = self.table.seed().build_hasher();
        hasher.write_u64(rule.hash);
        for key in &rule.keys {
            key.hash_value(facts, &mut hasher);
        }
        hasher.finish()
    }

    fn ceiling_key(&self, rule: &Rule, client: &ClientIp) -> u64 {
        let mut hasher = self.table.seed().build_hasher();
        hasher.write_u64(rule.ceiling_hash);
        key::hash_client(client, &mut hasher);
        hasher.finish()
    }
}

impl Inspect for Limit {
    fn name(&self) -> &'static str {
        "limit"
    }

    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        self.judge(facts, state, Check::Take)
    }

    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<Offense> {
        if outcome.denial.is_some() {
            return None;
        }
        let now = state.now().mono().saturating_add(outcome.elapsed);
        for ticket in state.tickets(self.name()) {
            let index = usize::try_from(ticket.rule).unwrap_or(usize::MAX);
            let rule = self.rules.get(index);
            let Some(rule) = rule.filter(|rule| rule.scope.statuses.contains(&outcome.status))
            else {
                continue;
            };
            // Where nothing is left, requests that were under way at once used it up.
            let take = |key, budget| {
                let _ = self.table.check(key, budget, rule.cost, now, Check::Take);
            };
            take(ticket.key, rule.budget);
            if rule.is_inventable {
                take(self.ceiling_key(rule, state.client()), rule.ceiling);
            }
        }
        None
    }

    /// What would be said, at no cost.
    fn explain(
        &self,
        facts: &Facts<'_>,
        state: &mut RequestState,
        steps: &mut Explanation,
    ) -> Verdict {
        let verdict = self.judge(facts, state, Check::Look);
        steps.note(self.name(), &verdict);
        verdict
    }
}

// === impl Rule ===

impl Rule {
    fn refuse(&self, budget: Gcra, by: &Arc<str>, wait: Duration) -> Denial {
        let reason = Reason::OverLimit {
            limit: budget.limit().get(),
            window: budget.window(),
            by: by.clone(),
        };
        Denial::new(
            Cause::new(self.id.clone(), reason),
            StatusCode::TOO_MANY_REQUESTS,
        )
        .with_mode(self.mode)
        .with_retry_after(wait)
    }

    fn quota(&self, left: Result<Duration, Duration>) -> Quota {
        let (remaining, reset) = match left.map(|left| self.budget.left(left)) {
            Ok(Left { remaining, reset }) => (remaining, reset),
            Err(wait) => (0, wait),
        };
        Quota {
            rule: self.id.clone(),
            limit: self.budget.limit().get(),
            window: self.budget.window(),
            remaining,
            reset,
        }
    }
}

/// Adds up to a quarter, a second at least and a minute at most; `dice` says how much of it.
fn jitter(wait: Duration, dice: u64) -> Duration {
    let most = (wait / 4).clamp(Duration::from_secs(1), Duration::from_mins(1));
    let share = (most.as_nanos() * u128::from(dice)) >> 64;
    wait.saturating_add(Duration::from_nanos(u64::try_from(share).unwrap_or(0)))
}
