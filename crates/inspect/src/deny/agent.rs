//! Search for substrings of a `User-Agent`.

use aho_corasick::{AhoCorasick, MatchKind};

use crate::agent::Gate;

/// Substrings of user agents, and the rule of each.
#[derive(Debug, Default)]
pub(super) struct Agents {
    parts: Vec<String>,
    rule_of: Vec<usize>,
    automaton: Option<AhoCorasick>,
    /// `None` if there are too many substrings.
    gate: Option<Gate>,
}

impl Agents {
    /// The shortest substring. Shorter ones occur in too many honest user agents.
    pub(super) const MIN_LEN: usize = 3;

    pub(super) fn add(&mut self, part: &str, rule: usize) {
        self.parts.push(part.to_owned());
        self.rule_of.push(rule);
    }

    /// Builds the automaton. Only the total size of the substrings can make it fail.
    pub(super) fn finish(&mut self) -> Result<(), aho_corasick::BuildError> {
        if !self.parts.is_empty() {
            self.gate = Gate::new(self.parts.iter().map(String::as_str));
            let mut builder = AhoCorasick::builder();
            let builder = builder.ascii_case_insensitive(true);
            let builder = builder.match_kind(MatchKind::LeftmostFirst);
            self.automaton = Some(builder.build(std::mem::take(&mut self.parts))?);
        }
        Ok(())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.automaton.is_none()
    }

    /// Returns the rule of the first substring in `agent`, and the matching bytes.
    pub(super) fn find<'a>(&self, agent: &'a [u8]) -> Option<(usize, &'a [u8])> {
        if self.gate.as_ref().is_some_and(|gate| !gate.may_open(agent)) {
            return None;
        }
        let found = self.automaton.as_ref()?.find(agent)?;
        let rule = self.rule_of.get(found.pattern().as_usize())?;
        Some((*rule, agent.get(found.range())?))
    }
}
