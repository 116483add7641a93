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
mod key;
mod rate;
mod rule;
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
    Explanation, Facts, Findings, Inspect, Mode, Needs, Outcome, RequestState, Verdict,
};
use governor::middleware::StateSnapshot;

use crate::{Config, ConfigErrors, Context};
use gcra::{Gcra, nanos};
use key::Key;
use rule::{Exceeded, LimitBan, Responsibility, Rule, RuleQuota};
use table::Check;

pub use config::{LimitAction, LimitActionError, LimitRule};
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

    fn judge(&self, facts: &Facts<'_>, state: &mut RequestState, check: Check) -> Verdict {
        if facts.client.exempt().is_some() {
            return Verdict::Pass;
        }
        let now = nanos(facts.now.mono());
        let rules = self.rules.iter();
        for rule in rules.filter(|rule| rule.scope.applies_to(facts)) {
            let ban = rule.ban.as_ref();
            let responsibility = ban.map_or(Responsibility::Shared, |ban| {
                self.count_for_ban(rule, ban, facts, now, state, check)
            });
            if let Err(exceeded) = self.check_rule(rule, facts, now, state, check) {
                match rule.exceeded(exceeded, responsibility, state) {
                    Verdict::Pass => {}
                    verdict => return verdict,
                }
            }
        }
        Verdict::Pass
    }

    /// Counts one request for one rule, at `now` in monotonic nanoseconds. Returns the quota that it
    /// exceeds.
    fn check_rule<'r>(
        &self,
        rule: &'r Rule,
        facts: &Facts<'_>,
        now: u64,
        state: &mut RequestState,
        check: Check,
    ) -> Result<(), Exceeded<'r>> {
        let is_preflight = scope::is_preflight(facts);
        let check = if rule.slot.is_some() {
            Check::Peek
        } else {
            check
        };
        if !is_preflight {
            let key = self.key(rule, facts);
            let checked = self.check(key, &rule.quota.gcra, rule.cost, now, check);
            if rule.show && rule.mode == Mode::Enforce {
                rule.show_quota(&checked, state);
            }
            if let Err(wait) = checked {
                let quota = &rule.quota;
                return Err(Exceeded { quota, wait });
            }
            if let Some(slot) = rule.slot {
                state.set_slot(slot, key);
            }
        }
        if !is_preflight && !rule.is_client_chosen {
            return Ok(());
        }
        let quota = &rule.ceiling;
        let key = quota.client_key(&facts.client);
        match self.check(key, &quota.gcra, rule.cost, now, check) {
            Ok(_) => Ok(()),
            Err(wait) => Err(Exceeded { quota, wait }),
        }
    }

    /// Counts one request toward the ban of its client, if it is held against it. It counts also if the
    /// rule then denies it: images of a page may have used up the quota of all requests.
    // Not inlined: most limits do not ban.
    #[inline(never)]
    fn count_for_ban(
        &self,
        rule: &Rule,
        ban: &LimitBan,
        facts: &Facts<'_>,
        now: u64,
        state: &mut RequestState,
        check: Check,
    ) -> Responsibility {
        if !attributable::is_attributable(facts, state.attribution()) {
            return Responsibility::Shared;
        }
        let mut check = check;
        if let Some(slot) = ban.slot {
            state.set_slot(slot, 1);
            check = Check::Peek;
        }
        let key = ban.quota.client_key(&facts.client);
        match (self.table).check(key, &ban.quota.gcra, rule.cost, now, check) {
            Ok(_) => Responsibility::Shared,
            Err(_) => Responsibility::Sole,
        }
    }

    /// Checks one key. Returns the state of its quota, or the time to wait: at least until there is
    /// enough, with jitter so that clients do not all retry at the same moment.
    #[inline]
    fn check(
        &self,
        key: u64,
        gcra: &Gcra,
        cost: NonZeroU32,
        now: u64,
        check: Check,
    ) -> Result<StateSnapshot, Duration> {
        match self.table.check(key, gcra, cost, now, check) {
            Ok(state) => Ok(state),
            Err(wait) => Err(self.add_jitter(wait, key, now)),
        }
    }

    /// Returns the key of a request in the table, which is not zero.
    #[inline]
    fn key(&self, rule: &Rule, facts: &Facts<'_>) -> u64 {
        let key = match &*rule.keys {
            [Key::Client] => rule.quota.client_key(&facts.client),
            [Key::Global] => rule.quota.hash,
            keys => self.hash_keys(rule.quota.hash, keys, facts),
        };
        key.max(1)
    }

    // Not inlined: most limits count by client.
    #[inline(never)]
    fn hash_keys(&self, rule: u64, keys: &[Key], facts: &Facts<'_>) -> u64 {
        let mut hasher = self.table.seed().build_hasher();
        hasher.write_u64(rule);
        for key in keys {
            key.hash_part(facts, &mut hasher);
        }
        hasher.finish()
    }

    #[cold]
    fn add_jitter(&self, wait: Duration, key: u64, now: u64) -> Duration {
        jitter(wait, self.table.seed().hash_one((key, now)))
    }
}

impl Inspect for Limit {
    fn name(&self) -> &'static str {
        "limit"
    }

    fn needs(&self) -> Needs {
        let counts_responses = self.rules.iter().any(|rule| rule.slot.is_some());
        Needs::REQUESTS.only_if(!self.is_empty())
            | (Needs::RESPONSES | Needs::ELAPSED).only_if(counts_responses)
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
                let table = &self.table;
                let _ = table.check(key, &quota.gcra, rule.cost, now, Check::Take);
            };
            take(key, &rule.quota);
            if rule.is_client_chosen {
                take(rule.ceiling.client_key(state.client()), &rule.ceiling);
            }
            if let Some(ban) = &rule.ban
                && ban.slot.is_some_and(|slot| state.slot(slot) > 0)
            {
                take(ban.quota.client_key(state.client()), &ban.quota);
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

/// Adds a random part of up to a quarter of `wait`, limited to between 1 second and 1 minute.
/// `random` selects the part.
fn jitter(wait: Duration, random: u64) -> Duration {
    let most = (wait / 4).clamp(Duration::from_secs(1), Duration::from_mins(1));
    let share = (most.as_nanos() * u128::from(random)) >> 64;
    wait.saturating_add(Duration::from_nanos(u64::try_from(share).unwrap_or(0)))
}
