//! Finds what a `User-Agent` says of itself.

use aho_corasick::{AhoCorasick, MatchKind};

/// Parts of agents, and the rule of each.
#[derive(Debug, Default)]
pub(super) struct Agents {
    parts: Vec<String>,
    of_rule: Vec<usize>,
    engine: Option<AhoCorasick>,
}

impl Agents {
    /// The shortest part: fewer bytes are in too many agents.
    pub(super) const MIN_LEN: usize = 3;

    pub(super) fn add(&mut self, part: &str, rule: usize) {
        self.parts.push(part.to_owned());
        self.of_rule.push(rule);
    }

    /// Makes the engine; the parts are plain, so that only their sum can be too much for it.
    pub(super) fn finish(&mut self) -> Result<(), aho_corasick::BuildError> {
        if !self.parts.is_empty() {
            let mut engine = AhoCorasick::builder();
            let engine = engine.ascii_case_insensitive(true);
            let engine = engine.match_kind(MatchKind::LeftmostFirst);
            self.engine = Some(engine.build(std::mem::take(&mut self.parts))?);
        }
        Ok(())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.engine.is_none()
    }

    /// The rule of the first part that `agent` holds, and the bytes.
    pub(super) fn find<'a>(&self, agent: &'a [u8]) -> Option<(usize, &'a [u8])> {
        let found = self.engine.as_ref()?.find(agent)?;
        let rule = self.of_rule.get(found.pattern().as_usize())?;
        Some((*rule, agent.get(found.range())?))
    }
}
