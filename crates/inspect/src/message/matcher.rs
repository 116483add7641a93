//! Search of a message for all rules at once.

use gabion_core::{ControlKind, MessageFacts};
use regex_automata::meta::Regex;

use super::{Kinds, Rule, depth, literals::LiteralSet};

/// The conditions of all rules.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    /// The kinds of messages that any rule applies to.
    pub(super) kinds: Kinds,
    pub(super) literals: LiteralSet<(usize, Condition)>,
    /// Expressions that require no literal, several in each automaton, and their rules.
    pub(super) unfiltered: Vec<(Regex, RuleSet)>,
    /// The smallest `longer_than`.
    pub(super) longer_than: Option<u64>,
    /// The smallest and the largest `json_depth`.
    pub(super) json_depth: Option<(u32, u32)>,
}

/// The condition of a rule for which a literal is searched.
#[derive(Clone, Copy, Debug)]
pub(super) enum Condition {
    /// The literal is in `contains`.
    Contains,
    /// An expression in `matches` requires the literal.
    Matches,
}

/// The results of a search: the rules that may match the message.
#[derive(Debug)]
pub(super) struct Candidates {
    /// The length of the message, in bytes; 0 for a control frame.
    pub(super) len: u64,
    /// The rules of which a literal was found.
    pub(super) literals: RuleSet,
    /// The rules of which an expression may match.
    pub(super) expressions: RuleSet,
    /// The depth of the message, if it is deeper than a rule allows, or 0.
    pub(super) depth: u32,
}

/// A set of rules, by index. An empty set takes no time to create.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleSet(Option<[u64; Self::CAPACITY / 64]>);

// === impl Matcher ===

impl Matcher {
    /// Returns the rules that may match the message, or `None` if none does. The payload of a
    /// control frame has no length and no depth.
    pub(super) fn search(
        &self,
        control: Option<ControlKind>,
        message: &MessageFacts<'_>,
    ) -> Option<Candidates> {
        if !self.kinds.contain(message) {
            return None;
        }
        let payload = message.payload;
        let mut candidates = Candidates {
            len: if control.is_some() {
                0
            } else {
                payload.len() as u64
            },
            literals: RuleSet::default(),
            expressions: RuleSet::default(),
            depth: 0,
        };
        self.literals
            .search(payload, |(rule, condition)| match condition {
                Condition::Contains => candidates.literals.insert(rule),
                Condition::Matches => candidates.expressions.insert(rule),
            });
        for (regex, rules) in &self.unfiltered {
            if regex.is_match(payload) {
                candidates.expressions.add(rules);
            }
        }
        if control.is_none()
            && let Some((min, max)) = self.json_depth
        {
            candidates.depth = depth::beyond(payload, min, max).unwrap_or_default();
        }
        let is_too_long = self.longer_than.is_some_and(|most| candidates.len > most);
        (is_too_long || !candidates.are_empty()).then_some(candidates)
    }
}

// === impl Candidates ===

impl Candidates {
    /// Returns `true` if the rule may match.
    pub(super) fn contain(&self, index: usize, rule: &Rule) -> bool {
        self.literals.contains(index)
            || self.expressions.contains(index)
            || rule.longer_than.is_some_and(|most| self.len > most.0)
            || rule.json_depth.is_some_and(|most| self.depth > most)
    }

    const fn are_empty(&self) -> bool {
        self.literals.is_empty() && self.expressions.is_empty() && self.depth == 0
    }
}

// === impl RuleSet ===

impl RuleSet {
    /// The largest index, plus 1.
    pub(super) const CAPACITY: usize = 1024;

    pub(super) fn insert(&mut self, index: usize) {
        let words = self.0.get_or_insert_with(Default::default);
        if let Some(word) = words.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
    }

    fn add(&mut self, other: &Self) {
        if let Some(other) = &other.0 {
            let words = self.0.get_or_insert_with(Default::default);
            words
                .iter_mut()
                .zip(other)
                .for_each(|(word, other)| *word |= other);
        }
    }

    pub(super) fn contains(&self, index: usize) -> bool {
        let word = self.0.as_ref().and_then(|words| words.get(index / 64));
        word.is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    const fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl FromIterator<usize> for RuleSet {
    fn from_iter<I: IntoIterator<Item = usize>>(indexes: I) -> Self {
        let mut set = Self::default();
        indexes.into_iter().for_each(|index| set.insert(index));
        set
    }
}
