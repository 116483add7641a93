//! Rate limits.
//!
//! A request passes if every enforced limit that applies to it has its cost left in the quota of
//! the request's key. Quotas refill evenly (GCRA): `"20/s"` with a burst of 200 allows 200 requests
//! at once, and 20 per second after that. Denied requests cost nothing.
//!
//! Exempt clients ([`gabion_core::ClientIp::exempt`]: this host, trusted proxies, private
//! addresses) are not limited by any key.
//!
//! # Keys that clients choose
//!
//! The client chooses the value of a header, a cookie, a path and a host, and each new value has
//! its own quota. A limit with such a key therefore also counts by address, with a quota `ceiling`
//! times as large (10 by default). Invented tokens cannot exceed it, and ten users behind one
//! address who all use their full quota stay below it. A request without the header or cookie, or
//! with several of them, counts by address.
//!
//! # Limits on responses
//!
//! A limit with `statuses` takes its cost when the service has answered with one of them, and
//! denies requests once nothing is left. Concurrent requests can exceed it by their number.
//!
//! # Bans
//!
//! A limit with `then = "ban"` counts the requests that are held against their client a second time, in a
//! quota of their own, whether they pass or not. See [`LimitAction`]. If a request exceeds both quotas, its
//! denial has an [`Offense`](gabion_core::Offense).
//!
//! # Other instances
//!
//! Instances that exchange counts ([`LimitTable::share_by`]) judge a request by all of them, unless the limit is
//! not shared ([`LimitSharing`]). No request waits for that: what others count arrives later, so that several
//! instances together can exceed a limit by what they let pass in that time. The excess is a debt of the quota:
//! no more passes until it is refilled. A client that leaves of its burst what refills in that time is never
//! denied for what others count late.
//!
//! # Preflights
//!
//! A CORS preflight costs nothing, since a page cannot wait between the preflight and its request.
//! The ceiling of its address applies to it nevertheless.
//!
//! # Cost
//!
//! Per limit that applies to a request: one lookup, or two with a ceiling, and one keyed hash if its key
//! is neither the client nor `global`. One more lookup for a request that is held against its client, if the
//! limit bans. No allocation.

mod attributable;
mod compile;
mod config;
mod gcra;
mod judge;
mod key;
mod rate;
mod rule;
mod scope;
mod sharing;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use gabion_core::{Explanation, Facts, Findings, Inspect, Needs, Outcome, RequestState, Verdict};

use crate::{Config, ConfigErrors, Context};
use gcra::nanos;
use rule::{Rule, RuleQuota};
use sharing::SharedQuota;
use table::Check;

pub use config::{LimitAction, LimitActionError, LimitRule, LimitSharing};
pub use rate::{Rate, RateError};
pub use table::LimitTable;

/// Denies requests over a rate limit, with 429. Compiled from [`LimitRule`]s; its state is in a
/// [`LimitTable`], by rule id and key.
///
/// # Examples
///
/// ```
/// use gabion_core::{ClientRules, Inspect, Mode, RequestState, Verdict};
/// use gabion_inspect::{Config, Context, LimitRule, State};
/// # use gabion_testkit::OwnedHead;
///
/// let rule = LimitRule::new("per-client", "2/s".parse()?).mode(Mode::Enforce);
/// let limit = [rule].compile(&Context::new(&State::default()))?;
///
/// let judge = || {
///     let head = OwnedHead::get("/");
///     let facts = head.facts(&ClientRules::default());
///     limit.inspect(&facts, &mut RequestState::new(&facts))
/// };
/// assert_eq!(judge(), Verdict::Pass);
/// assert_eq!(judge(), Verdict::Pass);
/// assert!(judge().to_string().starts_with("denied (429): rule per-client"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Limit {
    rules: Vec<Rule>,
    table: Arc<LimitTable>,
    /// Known to the table, as long as a policy has them.
    _shared: Arc<[SharedQuota]>,
}

impl Config for [LimitRule] {
    type Output = Limit;

    /// Compiles limits that count in the [`LimitTable`] of `context`. A rule without a mode
    /// observes.
    ///
    /// # Errors
    ///
    /// Every entry that cannot be compiled; more than 256 rules.
    fn compile(&self, context: &Context) -> Result<Limit, ConfigErrors> {
        compile::compile(self, context)
    }
}

// === impl Limit ===

impl Limit {
    /// Returns the number of limits.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Returns `true` if there are no limits.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl Inspect for Limit {
    fn name(&self) -> &'static str {
        "limit"
    }

    fn needs(&self) -> Needs {
        let counts_responses = self.rules.iter().any(|rule| rule.slot.is_some());
        let bans = self.rules.iter().any(|rule| rule.ban.is_some());
        Needs::REQUESTS.only_if(!self.is_empty())
            | (Needs::RESPONSES | Needs::ELAPSED).only_if(counts_responses)
            | Needs::HEADERS.only_if(bans)
    }

    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        self.judge(facts, state, Check::Take)
    }

    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>, _: &mut Findings) {
        if outcome.denial.is_some() {
            return;
        }
        let now = nanos(state.now().mono().saturating_add(outcome.elapsed));
        let rules = self.rules.iter();
        for rule in rules.filter(|rule| rule.scope.statuses.contains(&outcome.status)) {
            let key = rule.slot.map_or(0, |slot| state.slot(slot));
            if key == 0 {
                continue;
            }
            // If nothing is left, concurrent requests have used it.
            let take = |key, quota: &RuleQuota| {
                let _ = self.count(key, quota, rule.cost, now, Check::Take);
            };
            let client_key = |quota| self.client_key(quota, state.client());
            take(key, &rule.quota);
            if rule.is_client_chosen {
                take(client_key(&rule.ceiling), &rule.ceiling);
            }
            if let Some(ban) = &rule.ban
                && ban.slot.is_some_and(|slot| state.slot(slot) > 0)
            {
                take(client_key(&ban.quota), &ban.quota);
            }
        }
    }

    /// Judges without taking anything from a quota.
    fn explain(
        &self,
        facts: &Facts<'_>,
        state: &mut RequestState,
        steps: &mut Explanation,
    ) -> Verdict {
        let verdict = self.judge(facts, state, Check::Peek);
        steps.note(self.name(), &verdict);
        verdict
    }
}
