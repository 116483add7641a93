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
//! # Limits
//!
//! `.php.bak` is not `.php`. `/public/../secret` is not under `/public`; a dot segment that is
//! escaped (`/public/%2e%2e/secret`) is, in the view of a server that does not decode it first.
//!
//! # Cost
//!
//! Per view: a hash look-up per segment for names, extensions and prefixes, and one search per
//! thousand expressions. No allocation.

mod compile;
mod config;
mod matcher;
mod name;
#[cfg(test)]
mod tests;

use std::time::Duration;

use gabion_core::{Cause, Denial, Facts, Inspect, Mode, Offence, RuleId, Trace, Verdict, View};
use http::StatusCode;

use crate::ConfigErrors;
use matcher::Matcher;

pub use config::{DenyRule, Then};

/// Refuses requests by their path. Compiled from [`DenyRule`]s; immutable.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gabion_core::Mode;
/// use gabion_inspect::{Deny, DenyRule};
///
/// let rule = DenyRule::new("php").extensions(["php", "phtml"]);
/// let deny = Deny::compile(&[rule], Mode::Enforce, Duration::from_secs(600))?;
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

impl Deny {
    /// Compiles `rules`. A rule that names no mode has `mode`; one that bans without saying for
    /// how long bans for `first`.
    ///
    /// # Errors
    ///
    /// Every entry of every rule that cannot be compiled.
    pub fn compile(rules: &[DenyRule], mode: Mode, first: Duration) -> Result<Self, ConfigErrors> {
        compile::compile(rules, mode, first)
    }

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
        let views = gabion_core::PathViews::of(path);
        views
            .iter()
            .find_map(|view| self.find(&self.enforced, view))
    }

    fn find(&self, matcher: &Matcher, view: View<'_>) -> Option<Denial> {
        let found = matcher.find(view.path)?;
        let rule = self.rules.get(found.rule)?;
        let cause = Cause::in_path(rule.id.clone(), found.reason, found.bytes, view.reading);
        let offence = rule
            .ban_for
            .map(|ban_for| Offence::certain(rule.id.clone(), ban_for));
        Some(Denial {
            offence,
            ..Denial::new(cause, rule.status).with_mode(rule.mode)
        })
    }
}

impl Inspect for Deny {
    fn name(&self) -> &'static str {
        "deny"
    }

    fn inspect(&self, facts: &Facts<'_>, trace: &mut Trace) -> Verdict {
        let mut views = facts.path.iter();
        if let Some(denial) = views.find_map(|view| self.find(&self.enforced, view)) {
            return prove(denial, facts).into();
        }
        let mut views = facts.path.iter();
        if let Some(denial) = views.find_map(|view| self.find(&self.observed, view)) {
            trace.observe(denial);
        }
        Verdict::Pass
    }
}

/// A page can make its visitors send most of what a rule refuses.
fn prove(mut denial: Denial, facts: &Facts<'_>) -> Denial {
    if let Some(offence) = &mut denial.offence {
        offence.proof = facts.proof();
    }
    denial
}
