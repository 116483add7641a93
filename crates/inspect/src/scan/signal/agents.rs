//! The tools that a `User-Agent` names.

use std::{cell::RefCell, sync::LazyLock};

use aho_corasick::AhoCorasick;
use gabion_core::Facts;

use super::{library, scanner};
use crate::agent::{self, Gate};

/// The kinds of clients that the `User-Agent` names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Agents {
    pub(super) scanner: bool,
    pub(super) library: bool,
    /// A browser. Programs that declare themselves, such as crawlers, are none.
    pub(super) browser: bool,
}

/// The names of scanners, followed by those of libraries.
struct Names {
    automaton: AhoCorasick,
    /// `None` if the processor has no vectors.
    gate: Option<Gate>,
}

/// The longest line that [`Recent`] keeps, in bytes.
const MAX_LINE: usize = 256;

/// Lines that were searched on this thread, each with its result: most requests come from few agents.
/// A line replaces another one that has the same place.
struct Recent(Box<[(Line, Agents)]>);

/// The bytes of a line, and their number.
type Line = ([u8; MAX_LINE], usize);

thread_local! {
    static RECENT: RefCell<Recent> = RefCell::new(Recent::new());
}

static NAMES: LazyLock<Option<Names>> = LazyLock::new(|| {
    let mut builder = AhoCorasick::builder();
    let automaton = builder.ascii_case_insensitive(true).build(names()).ok()?;
    let gate = Gate::new(names());
    Some(Names { automaton, gate })
});

/// The names of scanners, then those of libraries.
fn names() -> impl Iterator<Item = &'static str> {
    scanner::NAMES.into_iter().chain(library::NAMES)
}

// === impl Agents ===

impl Agents {
    pub(super) fn new(facts: &Facts<'_>) -> Self {
        let mut agents = Self::default();
        for line in agent::lines(facts) {
            let in_line = RECENT.with_borrow_mut(|recent| recent.find_or(line, Self::in_line));
            agents.scanner |= in_line.scanner;
            agents.library |= in_line.library;
            agents.browser |= in_line.browser;
        }
        agents
    }

    fn in_line(line: &[u8]) -> Self {
        let mut agents = Self {
            browser: is_browser(line),
            ..Self::default()
        };
        let may_open = |names: &&Names| names.gate.as_ref().is_none_or(|gate| gate.may_open(line));
        let Some(names) = NAMES.as_ref().filter(may_open) else {
            return agents;
        };
        for found in names.automaton.find_iter(line) {
            if found.pattern().as_usize() < scanner::NAMES.len() {
                agents.scanner = true;
            } else {
                agents.library = true;
            }
            if agents.scanner && agents.library {
                break;
            }
        }
        agents
    }
}

/// Returns `true` if the line is one of a browser. Crawlers have the beginning of one, too, and then their
/// name or an address.
fn is_browser(line: &[u8]) -> bool {
    const OTHERS: [&[u8]; 4] = [b"bot", b"crawl", b"spider", b"http"];
    const COMPATIBLE: &[u8] = b"(compatible; ";
    let is_in = |name: &[u8]| {
        let mut windows = line.windows(name.len());
        windows.any(|window| window.eq_ignore_ascii_case(name))
    };
    let begins = |name: &[u8]| line.starts_with(name);
    // Internet Explorer is the only browser that is `compatible`.
    let is_other = is_in(COMPATIBLE) && !is_in(b"(compatible; MSIE ");
    (begins(b"Mozilla/") || begins(b"Opera/")) && !is_other && !OTHERS.into_iter().any(is_in)
}

// === impl Recent ===

impl Recent {
    /// The number of lines, a power of two.
    const LINES: usize = 64;

    fn new() -> Self {
        let empty = (([0; MAX_LINE], 0), Agents::default());
        Self(vec![empty; Self::LINES].into())
    }

    /// Returns the result for `line`, by `search` unless it is known.
    fn find_or(&mut self, line: &[u8], search: impl FnOnce(&[u8]) -> Agents) -> Agents {
        let place = self.0.get_mut(Self::place(line));
        let Some(((bytes, len), agents)) = place.filter(|_| line.len() <= MAX_LINE) else {
            return search(line);
        };
        if bytes.get(..*len) != Some(line)
            && let Some(kept) = bytes.get_mut(..line.len())
        {
            kept.copy_from_slice(line);
            (*len, *agents) = (line.len(), search(line));
        }
        *agents
    }

    /// The place of a line. Clients that choose lines with the same place only make searches necessary.
    fn place(line: &[u8]) -> usize {
        let mix = |hash: u64, word: &[u8; 8]| {
            let word = u64::from_le_bytes(*word);
            (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        let words = line.as_chunks().0.iter().chain(line.last_chunk());
        let hash = words.fold(0, mix);
        usize::try_from(hash >> 32).unwrap_or_default() % Self::LINES
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::any, prop_assert_eq, proptest, sample::Index};

    use super::*;
    use crate::agent::tests::piece;

    proptest! {
        #[test]
        fn known_lines_have_the_result_of_a_search(
            lines in vec(vec(piece(names().collect()), 0..3), 1..8),
            order in vec(any::<Index>(), 1..40),
        ) {
            let mut recent = Recent::new();
            for index in order {
                let line = index.get(&lines).concat();
                prop_assert_eq!(recent.find_or(&line, Agents::in_line), Agents::in_line(&line));
            }
        }
    }
}
