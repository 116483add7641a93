//! An explanation as text for people.

use std::fmt;

use super::RequestExplanation;

impl fmt::Display for RequestExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "request  {}", self.request)?;
        writeln!(
            f,
            "client   {} (counts as {})",
            self.client, self.client_network
        )?;
        for hop in &self.hops {
            let address = hop.address.as_deref().unwrap_or("?");
            writeln!(f, "  {} {address}: {}", hop.source, hop.role)?;
        }
        if let Some(reason) = &self.exempt_from_bans {
            writeln!(f, "  never banned: {reason}")?;
        }
        let plural = if self.views.len() == 1 { "" } else { "s" };
        writeln!(f, "path     {} view{plural}", self.views.len())?;
        for view in &self.views {
            writeln!(f, "  `{}` ({})", view.path, view.transformations)?;
        }
        if let Some(error) = &self.malformed {
            writeln!(f, "  malformed: {error}")?;
        }
        for step in &self.steps {
            writeln!(f, "{:<8} {}", step.inspector, step.verdict)?;
            for note in &step.notes {
                writeln!(f, "  {note}")?;
            }
        }
        self.fmt_rules(f)?;
        for denial in &self.observed {
            writeln!(f, "observed {denial}")?;
        }
        if self.verdict_if_enforced != self.verdict {
            writeln!(f, "enforced {}", self.verdict_if_enforced)?;
        }
        if let Some(exception) = &self.exception {
            writeln!(f, "exception that lets it pass: {}", exception.effect)?;
            for line in exception.snippet.lines() {
                writeln!(f, "  {line}")?;
            }
        }
        write!(f, "verdict  {}", self.verdict)
    }
}

impl RequestExplanation {
    fn fmt_rules(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let matching = self.rules.iter().filter(|rule| rule.matches).count();
        writeln!(
            f,
            "rules    {matching} of {} [[deny]] rules match",
            self.deny_rules
        )?;
        for rule in &self.rules {
            let result = if rule.matches {
                "matches"
            } else {
                "does not match"
            };
            writeln!(f, "  {} {result}: {}", rule.id, rule.why)?;
        }
        Ok(())
    }
}
