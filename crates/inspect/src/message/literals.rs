//! Search for many literals at once.
//!
//! A [`Filter`] finds the places of a message at which a literal may begin, and an Aho-Corasick
//! automaton reads on from there, until no literal has begun. A message without such a place is
//! never read by the automaton.
//!
//! # Cost
//!
//! Linear in the length of the message, whatever it contains, plus a step for each literal found.

use std::collections::BTreeMap;

use aho_corasick::{
    Anchored, BuildError, MatchError,
    automaton::{Automaton as _, StateID},
    nfa::contiguous::NFA,
};

use super::filter::{Filter, Place};

/// A literal, and what is reported when it is found.
#[derive(Clone, Debug)]
pub(super) struct Literal<T> {
    pub(super) text: Box<[u8]>,
    /// Ignores the case of ASCII letters.
    pub(super) ignore_case: bool,
    pub(super) target: T,
}

/// Literals that are searched together.
#[derive(Debug)]
pub(super) struct LiteralSet<T> {
    /// Short literals have their own group: a filter for them reads more of a message than one for
    /// long literals, and lets more of it pass.
    groups: Vec<Group<T>>,
}

/// The error of a set that is too large.
#[derive(Debug, thiserror::Error)]
pub(super) enum LiteralError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Search(#[from] MatchError),
}

/// A text in lower case, and the literals that it is equal to in any case.
type Pattern<T> = (Box<[u8]>, Vec<Literal<T>>);

#[derive(Debug)]
struct Group<T> {
    filter: Filter,
    /// Finds all literals in any case.
    automaton: NFA,
    root: StateID,
    /// The literals of each pattern of the automaton, which differ in case only.
    literals: Vec<Vec<Literal<T>>>,
}

/// The length in bytes below which a literal is short.
const SHORT: usize = 4;

// === impl Literal ===

impl<T> Literal<T> {
    /// Replaces the target.
    pub(super) fn map<U>(self, target: impl FnOnce(T) -> U) -> Literal<U> {
        Literal {
            text: self.text,
            ignore_case: self.ignore_case,
            target: target(self.target),
        }
    }
}

// === impl LiteralSet ===

impl<T> Default for LiteralSet<T> {
    fn default() -> Self {
        Self { groups: Vec::new() }
    }
}

impl<T: Copy> LiteralSet<T> {
    /// Compiles literals, none of which is empty.
    pub(super) fn build(
        literals: impl IntoIterator<Item = Literal<T>>,
    ) -> Result<Self, LiteralError> {
        let mut patterns = BTreeMap::<Box<[u8]>, Vec<Literal<T>>>::new();
        for literal in literals {
            let pattern = literal.text.to_ascii_lowercase().into();
            patterns.entry(pattern).or_default().push(literal);
        }
        let (short, long): (Vec<_>, Vec<_>) = patterns
            .into_iter()
            .partition(|(pattern, _)| pattern.len() < SHORT);
        let groups = [short, long].into_iter().filter(|group| !group.is_empty());
        let groups = groups.map(Group::build).collect::<Result<_, _>>()?;
        Ok(Self { groups })
    }

    /// Calls `found` with the target of each literal in `text`, at least once, in no order.
    pub(super) fn search(&self, text: &[u8], mut found: impl FnMut(T)) {
        for group in &self.groups {
            group.search(text, &mut found);
        }
    }
}

// === impl Group ===

impl<T: Copy> Group<T> {
    fn build(patterns: Vec<Pattern<T>>) -> Result<Self, LiteralError> {
        let (patterns, literals): (Vec<_>, Vec<_>) = patterns.into_iter().unzip();
        let automaton = NFA::builder()
            .ascii_case_insensitive(true)
            .prefilter(false)
            .build(&patterns)?;
        Ok(Self {
            filter: Filter::new(&patterns),
            root: automaton.start_state(Anchored::No)?,
            automaton,
            literals,
        })
    }

    fn search(&self, text: &[u8], found: &mut impl FnMut(T)) {
        let (mut places, mut at) = (self.filter.places(text), 0);
        while let Some(place) = places.next_from(at) {
            at = self.read(text, place, found);
        }
    }

    /// Reads on from a place until no literal has begun, and returns the position reached.
    fn read(&self, text: &[u8], place: Place, found: &mut impl FnMut(T)) -> usize {
        let mut state = self.root;
        for (at, &byte) in text.iter().enumerate().skip(place.first) {
            state = self.automaton.next_state(Anchored::No, state, byte);
            if self.automaton.is_match(state) {
                self.report(state, text.get(..=at).unwrap_or_default(), found);
            } else if state == self.root && at >= place.last {
                return at.saturating_add(1);
            }
        }
        text.len()
    }

    /// Reports the literals that end where `text` does.
    #[cold]
    fn report(&self, state: StateID, text: &[u8], found: &mut impl FnMut(T)) {
        let patterns = (0..self.automaton.match_len(state))
            .map(|index| self.automaton.match_pattern(state, index));
        let literals = patterns.filter_map(|pattern| self.literals.get(pattern.as_usize()));
        for literal in literals.flatten() {
            if literal.ignore_case || text.ends_with(&literal.text) {
                found(literal.target);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select, test_runner::Config};

    use super::*;

    fn set(literals: &[(Vec<u8>, bool)]) -> LiteralSet<usize> {
        let literals = literals.iter().enumerate();
        let literals = literals.map(|(target, (text, ignore_case))| Literal {
            text: text.as_slice().into(),
            ignore_case: *ignore_case,
            target,
        });
        LiteralSet::build(literals).unwrap()
    }

    fn found(set: &LiteralSet<usize>, text: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        set.search(text, |target| found.push(target));
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Searches for one literal after the other, at one position after the other.
    fn found_alone(literals: &[(Vec<u8>, bool)], text: &[u8]) -> Vec<usize> {
        let is_in = |(literal, ignore_case): &(Vec<u8>, bool)| {
            text.windows(literal.len()).any(|window| {
                window == literal || *ignore_case && window.eq_ignore_ascii_case(literal)
            })
        };
        let all = literals.iter().enumerate();
        all.filter(|(_, literal)| is_in(literal))
            .map(|(target, _)| target)
            .collect()
    }

    fn bytes(most: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<u8>> {
        vec(select(&b"aaabAB$<@`\xc3"[..]), most)
    }

    /// Literals of at least some length, on which the step of the filter depends.
    fn literals() -> impl Strategy<Value = Vec<(Vec<u8>, bool)>> {
        (1..14_usize).prop_flat_map(|len| vec((bytes(len..len + 4), any::<bool>()), 1..12))
    }

    #[test]
    fn each_literal_is_found_as_alone() {
        let config = Config {
            cases: 2000,
            failure_persistence: None,
            ..Config::default()
        };
        proptest!(config, |(literals in literals(), more in literals(), texts in vec(bytes(0..300), 3), cut: usize)| {
            let literals = [&literals[..], &more[..cut % 2]].concat();
            let set = set(&literals);
            // Messages with a literal at each distance from their beginning and from a flood.
            let planted = &literals[cut % literals.len()].0;
            let flood = planted[..planted.len() - 1].repeat(1 + cut % 40);
            for text in [&texts[0][..], &[&texts[1], &planted[..], &texts[2]].concat(), &[&flood, &planted[..]].concat()] {
                prop_assert_eq!(found(&set, text), found_alone(&literals, text), "{}", text.escape_ascii());
            }
        });
    }

    #[test]
    fn literal_is_found_wherever_it_begins() {
        for len in 1..24 {
            let literal: Vec<u8> = (b'a'..).take(len).collect();
            let set = set(&[(literal.clone(), true)]);
            for before in 0..80 {
                for after in 0..20 {
                    let text = [&vec![b'.'; before], &literal[..], &vec![b'.'; after]].concat();
                    assert_eq!(found(&set, &text), [0], "{len} bytes at {before}");
                    assert_eq!(found(&set, &text.to_ascii_uppercase()), [0]);
                    assert!(found(&set, &text[..before + len - 1]).is_empty());
                }
            }
        }
    }

    #[test]
    fn literals_that_overlap_are_all_found() {
        let literals = ["abcd", "bcd", "cd", "d", "BC", "dab", "abcdabcd"];
        let literals = literals.map(|text| (text.as_bytes().to_vec(), false));
        let set = set(&literals);
        assert_eq!(found(&set, b"xabcdabcx"), [0, 1, 2, 3, 5]);
        assert_eq!(found(&set, b"aBCd"), [3, 4]);
        assert!(found(&LiteralSet::default(), b"abcd").is_empty());
    }
}
