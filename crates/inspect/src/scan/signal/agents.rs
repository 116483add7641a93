//! The tools that a `User-Agent` names.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, packed};
use gabion_core::{Facts, KnownHeader};

use super::{library, scanner};

/// The kinds of tools that the `User-Agent` names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Agents {
    pub(super) scanner: bool,
    pub(super) library: bool,
}

/// The names of scanners, followed by those of libraries.
struct Names {
    automaton: AhoCorasick,
    /// A vectorized search for any name in lower case. `None` if the processor has no vectors.
    any: Option<packed::Searcher>,
}

/// The longest line that is searched vectorized, in bytes.
const MAX_LOWERED: usize = 256;

static NAMES: LazyLock<Option<Names>> = LazyLock::new(|| {
    let names = || scanner::NAMES.iter().chain(&library::NAMES);
    let mut builder = AhoCorasick::builder();
    let automaton = builder.ascii_case_insensitive(true).build(names()).ok()?;
    let any = packed::Searcher::new(names());
    Some(Names { automaton, any })
});

// === impl Agents ===

impl Agents {
    pub(super) fn new(facts: &Facts<'_>) -> Self {
        let mut agents = Self::default();
        let Some(names) = NAMES.as_ref() else {
            return agents;
        };
        for line in facts.index.lines(KnownHeader::UserAgent) {
            if names.may_occur_in(line) {
                agents.add(names, line);
            }
        }
        agents
    }

    fn add(&mut self, names: &Names, line: &[u8]) {
        for found in names.automaton.find_iter(line) {
            if found.pattern().as_usize() < scanner::NAMES.len() {
                self.scanner = true;
            } else {
                self.library = true;
            }
        }
    }
}

// === impl Names ===

impl Names {
    /// Returns `false` if no name occurs in `line`. Most lines are a browser's, with none.
    fn may_occur_in(&self, line: &[u8]) -> bool {
        let mut lowered = [0; MAX_LOWERED];
        let (Some(any), Some(lowered)) = (&self.any, lowered.get_mut(..line.len())) else {
            return true;
        };
        lowered.copy_from_slice(line);
        lowered.make_ascii_lowercase();
        any.find(lowered).is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::vec,
        prelude::{Just, Strategy, any},
        prop_assert_eq, prop_oneof, proptest,
    };

    use super::*;

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let names: Vec<&str> = (scanner::NAMES.iter().chain(&library::NAMES))
            .copied()
            .collect();
        let name = (proptest::sample::select(names), any::<bool>()).prop_map(|(name, upper)| {
            let text = if upper {
                name.to_ascii_uppercase()
            } else {
                name.to_owned()
            };
            text.into_bytes()
        });
        prop_oneof![
            name.clone(),
            name.prop_map(|name| name[1..].to_vec()),
            vec(any::<u8>(), 0..60),
            Just(b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36".to_vec()),
        ]
    }

    proptest! {
        #[test]
        fn vectorized_search_skips_no_line_with_a_name(pieces in vec(piece(), 0..6)) {
            let line = pieces.concat();
            let names = NAMES.as_ref().unwrap();
            prop_assert_eq!(
                names.may_occur_in(&line) && names.automaton.is_match(&line),
                names.automaton.is_match(&line)
            );
            if line.len() <= MAX_LOWERED && names.any.is_some() {
                prop_assert_eq!(names.may_occur_in(&line), names.automaton.is_match(&line));
            }
        }
    }
}
