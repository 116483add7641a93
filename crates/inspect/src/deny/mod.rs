//! Refuses paths that the server behind does not have and nobody should ask for.
//!
//! A request passes when no view of its path ([`gabion_core::PathViews`]) matches an enforced rule.
//! A match in any view is enough: if one server in use would read the path that way, the request
//! could reach there.
//!
//! The typed parts of a rule (exact, prefix, names, extensions) judge names as file systems and
//! servers do: case, `;parameters`, and what Windows ignores at the end of a name (dots, blanks,
//! `::$DATA`) do not make another name. Extensions and names count on any segment, since what
//! follows a script's name is handed to the script as its path info.
//!
//! A rule's `agents` are asked of the `User-Agent` alone, after every path: who sends it chose it, so
//! they catch only who does not hide.
//!
//! # Limits
//!
//! `.php.bak` is not `.php`. `/public/../secret` is not under `/public`; a dot segment that is
//! escaped (`/public/%2e%2e/secret`) is, in the view of a server that does not decode it first.
//!
//! # Cost
//!
//! Per view: a hash look-up per segment for names, extensions and prefixes, where any begins with the
//! same byte and is as long; and one search per thousand expressions. Per request: one pass over the agent. No allocation.

mod agent;
mod compile;
mod config;
mod matcher;
mod name;
mod shape;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use gabion_core::{
    Cause, Denial, Facts, Inspect, Mode, Offense, Reason, RequestState, RuleId, Verdict, View,
};
use http::{StatusCode, header::USER_AGENT};

use crate::{Config, ConfigErrors, Context};
use matcher::Matcher;

pub(crate) use compile::path as plain_path;
pub use config::{Action, ActionError, DenyRule};
pub(crate) use name::plain as plain_name;
pub(crate) use table::Paths;

/// Refuses requests by their path. Compiled from [`DenyRule`]s; immutable.
///
/// # Examples
///
/// ```
/// use gabion_inspect::{Config, Context, DenyRule, State};
///
/// let rule = DenyRule::new("php").extensions(["php", "phtml"]);
/// let deny = [rule].compile(&Context::new(&State::scratch()))?;
/// assert!(deny.judges(b"/index.ph%70/x").is_some());
/// assert!(deny.judges(b"/index.html").is_none());
/// # Ok::<(), gabion_inspect::ConfigErrors>(())
/// ```
#[derive(Debug)]
pub struct Deny {
    rules: Vec<Rule>,
    enforced: Matcher,
    observed: Matcher,
}

/// What a rule does once it matches.
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
    /// Every entry of every rule that cannot be compiled; more than 50,000 rules or 1,000 expressions.
    fn compile(&self, context: &Context) -> Result<Deny, ConfigErrors> {
        compile::compile(self, context)
    }
}

impl Deny {
    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The refusal that an enforced rule has for `path`, if any.
    pub fn judges(&self, path: &[u8]) -> Option<Denial> {
        let views = gabion_core::PathViews::new(path);
        views
            .iter()
            .find_map(|view| self.find(&self.enforced, view))
    }

    fn find(&self, matcher: &Matcher, view: View<'_>) -> Option<Denial> {
        let found = matcher.find(view.path)?;
        let rule = self.rules.get(found.rule)?;
        let cause = Cause::in_path(
            rule.id.clone(),
            found.reason,
            found.bytes,
            view.transformations,
        );
        Some(rule.refuse(cause))
    }

    fn find_agent(&self, matcher: &Matcher, facts: &Facts<'_>) -> Option<Denial> {
        if matcher.agents.is_empty() {
            return None;
        }
        let mut agents = facts.headers.get_all(USER_AGENT).iter();
        let (rule, bytes) = agents.find_map(|agent| matcher.agents.find(agent.as_bytes()))?;
        let rule = self.rules.get(rule)?;
        let denial = rule.refuse(Cause::new(rule.id.clone(), Reason::Agent));
        Some(denial.with_evidence(bytes))
    }

    /// The refusal that an enforced rule has for a request.
    pub(crate) fn finds(&self, facts: &Facts<'_>) -> Option<Denial> {
        self.find_any(&self.enforced, facts)
    }

    fn find_any(&self, matcher: &Matcher, facts: &Facts<'_>) -> Option<Denial> {
        let mut views = facts.path.iter();
        views
            .find_map(|view| self.find(matcher, view))
            .or_else(|| self.find_agent(matcher, facts))
    }
}

impl Rule {
    fn refuse(&self, cause: Cause) -> Denial {
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

    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        if let Some(denial) = self.find_any(&self.enforced, facts) {
            return prove(denial, facts).into();
        }
        if let Some(denial) = self.find_any(&self.observed, facts) {
            state.observe(denial);
        }
        Verdict::Pass
    }

    fn recheck(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        self.inspect(facts, state)
    }
}

/// A page can make its visitors send most of what a rule refuses.
fn prove(mut denial: Denial, facts: &Facts<'_>) -> Denial {
    if let Some(offense) = &mut denial.offense {
        offense.attribution = facts.attribution();
    }
    denial
}
