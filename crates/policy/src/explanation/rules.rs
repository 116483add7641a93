//! The deny rules that a request is compared with.

use gabion_core::{Escaped, Facts, Inspect as _, Mode, RequestState, Verdict};
use gabion_inspect::{Config as _, Context, DenyRule};
use serde::{Deserialize, Serialize};

use super::RuleSelection;
use crate::{Document, State};

/// A deny rule, compared with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConsultedRule {
    /// The id, escaped.
    pub id: String,
    /// `true` if the rule matches.
    pub matches: bool,
    /// The verdict of the rule alone, or the conditions that no view satisfies.
    pub why: String,
}

/// The result of [`consult`].
pub(super) struct Consulted {
    /// The number of rules.
    pub(super) total: usize,
    pub(super) rules: Vec<ConsultedRule>,
}

/// The maximum number of rules that are compiled one by one.
const MAX_RULES: usize = 2000;

/// Compares the request with each deny rule alone, so that one that matches does not hide another.
pub(super) fn consult(
    document: &Document,
    facts: &Facts<'_>,
    selection: &RuleSelection,
) -> Consulted {
    let rules = document.all_deny_rules();
    let is_named = |rule: &DenyRule| match selection {
        RuleSelection::Rule(id) => rule.id == *id,
        RuleSelection::Matching | RuleSelection::All => false,
    };
    let context = Context::new(&State::with_capacity(1)).with_mode(document.mode());
    let (first, rest) = rules.split_at(rules.len().min(MAX_RULES));
    let named = rest.iter().filter(|rule| is_named(rule));
    let consulted = first.iter().chain(named).filter_map(|rule| {
        let compared = compare(rule, &context, facts)?;
        let is_shown = compared.matches || is_named(rule) || *selection == RuleSelection::All;
        is_shown.then_some(compared)
    });
    Consulted {
        total: rules.len(),
        rules: consulted.collect(),
    }
}

fn compare(rule: &DenyRule, context: &Context, facts: &Facts<'_>) -> Option<ConsultedRule> {
    // The rule is part of a policy that compiled.
    let deny = std::slice::from_ref(rule).compile(context).ok()?;
    let mut state = RequestState::new(facts);
    let verdict = deny.inspect(facts, &mut state);
    let (matches, why) = match (&verdict, state.observed()) {
        (Verdict::Deny(denial), _) => (true, denial.to_string()),
        (_, [denial, ..]) => (true, denial.to_string()),
        _ => (false, unmatched(rule, facts)),
    };
    Some(ConsultedRule {
        id: Escaped(rule.id.as_bytes()).to_string(),
        matches,
        why,
    })
}

/// The conditions of a rule that does not match.
fn unmatched(rule: &DenyRule, facts: &Facts<'_>) -> String {
    let views = match facts.path.iter().count() {
        1 => "1 view".to_owned(),
        count => format!("{count} views"),
    };
    let conditions = [
        ("path", "equals", &rule.exact),
        ("path", "is below", &rule.prefix),
        ("segment", "is named", &rule.names),
        ("segment", "ends in", &rule.extensions),
        ("path", "matches", &rule.regex),
    ];
    let given = conditions
        .iter()
        .filter(|(_, _, values)| !values.is_empty());
    let on_path = given.map(|(subject, verb, values)| {
        format!("no {subject} of {views} {verb} {}", quoted(values))
    });
    let agents = (!rule.agents.is_empty())
        .then(|| format!("the User-Agent does not contain {}", quoted(&rule.agents)));
    let all: Vec<_> = on_path.chain(agents).collect();
    let observes = if rule.mode == Some(Mode::Observe) {
        " (observe mode)"
    } else {
        ""
    };
    format!("{}{observes}", all.join("; "))
}

/// The first values in quotes, with the number of others.
fn quoted(values: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = values.iter().take(SHOWN);
    let shown: Vec<_> = shown
        .map(|value| format!("`{}`", Escaped(value.as_bytes())))
        .collect();
    match values.len().saturating_sub(SHOWN) {
        0 => shown.join(" or "),
        others => format!("{} or {others} others", shown.join(", ")),
    }
}
