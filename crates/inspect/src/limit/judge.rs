//! Judgment of requests by rate limits.

use std::{
    hash::{BuildHasher, Hasher},
    num::NonZeroU32,
    time::Duration,
};

use gabion_core::{ClientIp, Facts, Mode, RequestState, Verdict};
use governor::middleware::StateSnapshot;

use super::{
    Limit, attributable,
    gcra::nanos,
    key::{self, Key},
    rule::{Exceeded, LimitBan, Responsibility, Rule, RuleQuota},
    scope,
    sharing::SharedId,
    table::Check,
};

impl Limit {
    /// Judges a request. `check` determines whether it counts.
    pub(super) fn judge(
        &self,
        facts: &Facts<'_>,
        state: &mut RequestState,
        check: Check,
    ) -> Verdict {
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
            let checked = self.check(key, &rule.quota, rule.cost, now, check);
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
        let exact = rule.exact.filter(|_| !is_preflight && check == Check::Take);
        if !is_preflight && !rule.is_client_chosen {
            self.add_exact(exact, rule, facts, state);
            return Ok(());
        }
        let quota = &rule.ceiling;
        let key = self.client_key(quota, &facts.client);
        match self.check(key, quota, rule.cost, now, check) {
            Ok(_) => {
                self.add_exact(exact, rule, facts, state);
                Ok(())
            }
            Err(wait) => Err(Exceeded { quota, wait }),
        }
    }

    /// Lets a request that passes an exact limit by the counters of this instance wait for a decision about
    /// those of all.
    #[inline]
    fn add_exact(
        &self,
        id: Option<SharedId>,
        rule: &Rule,
        facts: &Facts<'_>,
        state: &mut RequestState,
    ) {
        if let Some((id, hasher)) = id.zip(self.table.sharing().hasher(id)) {
            rule.check_remotely(id, hash_parts(hasher, &rule.keys, facts), state);
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
        if !attributable::is_attributable(facts, facts.attribution()) {
            return Responsibility::Shared;
        }
        let mut check = check;
        if let Some(slot) = ban.slot {
            state.set_slot(slot, 1);
            check = Check::Peek;
        }
        let key = self.client_key(&ban.quota, &facts.client);
        match self.count(key, &ban.quota, rule.cost, now, check) {
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
        quota: &RuleQuota,
        cost: NonZeroU32,
        now: u64,
        check: Check,
    ) -> Result<StateSnapshot, Duration> {
        match self.count(key, quota, cost, now, check) {
            Ok(state) => Ok(state),
            Err(wait) => Err(self.add_jitter(wait, key, now)),
        }
    }

    /// Checks one key in the table, and counts what it takes for other instances.
    #[inline]
    pub(super) fn count(
        &self,
        key: u64,
        quota: &RuleQuota,
        cost: NonZeroU32,
        now: u64,
        check: Check,
    ) -> Result<StateSnapshot, Duration> {
        let checked = self.table.check(key, &quota.gcra, cost, now, check);
        if checked.is_ok() && check == Check::Take {
            self.table.sharing().count(quota.shared, key, cost);
        }
        checked
    }

    /// Returns the key of a request in the table, which is not zero.
    #[inline]
    fn key(&self, rule: &Rule, facts: &Facts<'_>) -> u64 {
        let key = match (&*rule.keys, self.table.sharing().hasher(rule.quota.shared)) {
            (keys, Some(hasher)) => hash_parts(hasher, keys, facts),
            ([Key::Client], None) => rule.quota.client_key(&facts.client),
            ([Key::Global], None) => rule.quota.hash,
            (keys, None) => self.hash_keys(rule.quota.hash, keys, facts),
        };
        key.max(1)
    }

    /// Returns the key of a client in the table.
    #[inline]
    pub(super) fn client_key(&self, quota: &RuleQuota, client: &ClientIp) -> u64 {
        match self.table.sharing().hasher(quota.shared) {
            Some(mut hasher) => {
                key::hash_client(client, &mut hasher);
                hasher.finish()
            }
            None => quota.client_key(client),
        }
    }

    // Not inlined: most limits count by client.
    #[inline(never)]
    fn hash_keys(&self, rule: u64, keys: &[Key], facts: &Facts<'_>) -> u64 {
        let mut hasher = self.table.seed().build_hasher();
        hasher.write_u64(rule);
        hash_parts(hasher, keys, facts)
    }

    #[cold]
    fn add_jitter(&self, wait: Duration, key: u64, now: u64) -> Duration {
        jitter(wait, self.table.seed().hash_one((key, now)))
    }
}

// Not inlined: without other instances, most limits need no hash.
#[inline(never)]
fn hash_parts(mut hasher: impl Hasher, keys: &[Key], facts: &Facts<'_>) -> u64 {
    for key in keys {
        key.hash_part(facts, &mut hasher);
    }
    hasher.finish()
}

/// Adds a random part of up to a quarter of `wait`, limited to between 1 second and 1 minute.
/// `random` selects the part.
fn jitter(wait: Duration, random: u64) -> Duration {
    let most = (wait / 4).clamp(Duration::from_secs(1), Duration::from_mins(1));
    let share = (most.as_nanos() * u128::from(random)) >> 64;
    wait.saturating_add(Duration::from_nanos(u64::try_from(share).unwrap_or(0)))
}
