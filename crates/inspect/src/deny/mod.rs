//! Path and user-agent rules.
//!
//! A request passes if no view of its path ([`gabion_core::PathViews`]) matches an enforced rule. A
//! match in any view denies: the request may reach a server that resolves the path that way. A path
//! with more views than are derived ([`gabion_core::PathViews::is_incomplete`]) does not pass either:
//! any of them may match.
//!
//! The typed conditions of a rule (`exact`, `prefix`, `names`, `extensions`) compare names as file
//! systems and servers do: case, `;parameters`, and the suffixes that Windows ignores (dots,
//! blanks, NTFS streams) do not make a different name. Names and extensions match on any segment,
//! since a server passes the segments after a script name to the script as its path info.
//!
//! The `agents` of a rule match the `User-Agent` header only, and are evaluated after the path. The
//! client chooses that header, so `agents` match only clients that do not hide.
//!
//! # Limits
//!
//! `.php.bak` does not match `.php`. `/public/../secret` matches the prefix `/public`, in the view of a
//! router that resolves no dot segments, even if the guarded server resolves them.
//!
//! # Cost
//!
//! Per view: one hash lookup per segment for names, extensions and prefixes, skipped unless a name
//! with the same first byte and length exists; and one search per 1,000 expressions. Per request:
//! one pass over the user agent. No allocation.

mod agent;
mod compile;
mod config;
mod embedded_url;
mod hidden;
mod matcher;
mod names;
#[cfg(test)]
mod tests;

use std::time::Duration;

use gabion_core::{
    Attribution, Cause, ClientIp, Denial, Facts, Inspect, Malformed, Mode, Needs, Now, Offense,
    PathViews, Reason, RequestState, RuleId, Transformations, Verdict, View,
};
use http::StatusCode;

use crate::{Config, ConfigErrors, Context};
use matcher::{Candidates, Matcher};

pub(crate) use compile::path as canonical_path;
pub use config::{Action, ActionError, DenyRule};

/// Denies requests by path or user agent. Compiled from [`DenyRule`]s; immutable.
///
/// # Examples
///
/// ```
/// use gabion_inspect::{Action, Config, Context, DenyRule, State};
///
/// let rules = [
///     DenyRule::new("php").extensions(["php", "phtml"]).then(Action::NotFound),
///     DenyRule::new("scanner").agents(["sqlmap"]),
/// ];
/// let deny = rules.compile(&Context::new(&State::scratch()))?;
///
/// let denial = deny.judges(b"/index.ph%70/x").unwrap();
/// assert_eq!(denial.status, 404);
/// assert!(deny.judges(b"/index.html").is_none());
/// # Ok::<(), gabion_inspect::ConfigErrors>(())
/// ```
#[derive(Debug)]
pub struct Deny {
    rules: Vec<Rule>,
    enforced: Matcher,
    observed: Matcher,
}

/// The effect of a rule.
#[derive(Debug)]
struct Rule {
    id: RuleId,
    mode: Mode,
    status: StatusCode,
    ban_for: Option<Duration>,
}

impl Config for [DenyRule] {
    type Output = Deny;

    /// # Errors
    ///
    /// Every entry that cannot be compiled; more than 50,000 rules or 1,000 expressions.
    fn compile(&self, context: &Context) -> Result<Deny, ConfigErrors> {
        compile::compile(self, context)
    }
}

impl Deny {
    /// Returns the number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Returns `true` if there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns the denial of the first enforced rule that matches `path`.
    pub fn judges(&self, path: &[u8]) -> Option<Denial> {
        let path = PathViews::new(path);
        let candidates = self.enforced.candidates(&path);
        self.find_path(&self.enforced, candidates, &path, Mode::Enforce)
    }

    /// Returns the denial of the first rule in `mode` that matches a view of `path`, or may match one
    /// that is not known.
    fn find_path(
        &self,
        matcher: &Matcher,
        candidates: Option<Candidates>,
        path: &PathViews<'_>,
        mode: Mode,
    ) -> Option<Denial> {
        let found = candidates.and_then(|candidates| self.find(matcher, candidates, path));
        found.or_else(|| {
            let may_match_others = path.is_incomplete() && !matcher.has_no_paths();
            may_match_others.then(|| deny_incomplete(path).with_mode(mode))
        })
    }

    #[inline(never)]
    fn find(
        &self,
        matcher: &Matcher,
        candidates: Candidates,
        path: &PathViews<'_>,
    ) -> Option<Denial> {
        let mut views = path.iter();
        views.find_map(|view| self.find_in_view(matcher, candidates, view))
    }

    fn find_in_view(
        &self,
        matcher: &Matcher,
        candidates: Candidates,
        view: View<'_>,
    ) -> Option<Denial> {
        let found = matcher.find(view, candidates)?;
        let rule = self.rules.get(found.rule)?;
        let cause = Cause::in_path(
            rule.id.clone(),
            found.reason,
            found.bytes,
            view.transformations,
        );
        Some(rule.denial(cause))
    }

    fn find_agent(&self, matcher: &Matcher, facts: &Facts<'_>) -> Option<Denial> {
        if matcher.agents.is_empty() {
            return None;
        }
        let mut agents = crate::agent::lines(facts);
        let (rule, bytes) = agents.find_map(|agent| matcher.agents.find(agent))?;
        let rule = self.rules.get(rule)?;
        let denial = rule.denial(Cause::new(rule.id.clone(), Reason::Agent));
        Some(denial.with_evidence(bytes))
    }

    /// Returns the denial of the first enforced rule that matches a known view of the path.
    pub(crate) fn find_known(&self, path: &PathViews<'_>) -> Option<Denial> {
        let candidates = self.enforced.candidates(path)?;
        self.find(&self.enforced, candidates, path)
    }

    /// Returns the denial of the first rule in `mode` that matches a request.
    #[inline]
    fn find_any(&self, matcher: &Matcher, facts: &Facts<'_>, mode: Mode) -> Option<Box<Denial>> {
        // Most requests match no rule: then not even the room for a denial is used.
        let candidates = matcher.candidates(&facts.path);
        let may_match =
            candidates.is_some() || !matcher.agents.is_empty() || facts.path.is_incomplete();
        may_match.then(|| self.find_candidate(matcher, candidates, facts, mode))?
    }

    #[inline(never)]
    fn find_candidate(
        &self,
        matcher: &Matcher,
        candidates: Option<Candidates>,
        facts: &Facts<'_>,
        mode: Mode,
    ) -> Option<Box<Denial>> {
        self.find_path(matcher, candidates, &facts.path, mode)
            .or_else(|| self.find_agent(matcher, facts))
            .map(Box::new)
    }
}

impl Rule {
    fn denial(&self, cause: Cause) -> Denial {
        let offense = self
            .ban_for
            .map(|ban_for| Offense::certain(self.id.clone(), ban_for));
        Denial {
            offense,
            ..Denial::new(cause, self.status).with_mode(self.mode)
        }
    }
}

impl Inspect for Deny {
    fn name(&self) -> &'static str {
        "deny"
    }

    fn needs(&self) -> Needs {
        (Needs::REQUESTS | Needs::RECHECKS).only_if(!self.is_empty())
    }

    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        if let Some(denial) = self.find_any(&self.enforced, facts, Mode::Enforce) {
            return Verdict::Deny(with_attribution(denial, facts.attribution()));
        }
        if let Some(denial) = self.find_any(&self.observed, facts, Mode::Observe) {
            state.observe(*denial);
        }
        Verdict::Pass
    }

    /// Denies by the path alone: the user agent is not kept.
    fn recheck(&self, _client: &ClientIp, path: &PathViews<'_>, _now: Now) -> Verdict {
        let candidates = self.enforced.candidates(path);
        let denial = self.find_path(&self.enforced, candidates, path, Mode::Enforce);
        denial.map_or(Verdict::Pass, Into::into)
    }
}

/// Denies a path with views that are not known.
fn deny_incomplete(path: &PathViews<'_>) -> Denial {
    let malformed = Malformed::Tangled;
    let rule = RuleId::builtin(malformed.id());
    let reason = Reason::Malformed(malformed);
    let cause = Cause::in_path(rule, reason, path.raw(), Transformations::AS_SENT);
    Denial::new(cause, StatusCode::BAD_REQUEST)
}

/// Sets the attribution of the offense. A page can cause its visitors to send most requests that
/// match a rule.
fn with_attribution(mut denial: Box<Denial>, attribution: Attribution) -> Box<Denial> {
    if let Some(offense) = &mut denial.offense {
        offense.attribution = attribution;
    }
    denial
}
