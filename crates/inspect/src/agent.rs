//! Search of the `User-Agent`.

use aho_corasick::packed;
use gabion_core::{Facts, KnownHeader};

/// The number of bytes of all lines that are searched. Of 4,500 public user agents the longest has 535.
const MAX_SEARCHED: usize = 640;

/// A shorter line counts as so many bytes, since each search has a fixed cost.
const MIN_COUNTED: usize = 64;

/// A vectorized gate in front of a search for some texts, in which ASCII case is ignored. Most lines are a
/// browser's and contain none of the texts.
#[derive(Debug)]
pub(crate) struct Gate {
    searcher: packed::Searcher,
}

/// Returns the lines, of which the part beyond [`MAX_SEARCHED`] bytes is cut.
pub(crate) fn lines<'r>(facts: &Facts<'r>) -> impl Iterator<Item = &'r [u8]> {
    let mut left = MAX_SEARCHED;
    let lines = facts.index.lines(KnownHeader::UserAgent);
    lines.map_while(move |line| {
        let searched = line.get(..left).unwrap_or(line);
        let is_left = left > 0;
        left = left.saturating_sub(searched.len().max(MIN_COUNTED));
        is_left.then_some(searched)
    })
}

// === impl Gate ===

impl Gate {
    /// Compiles the gate. Returns `None` if the processor has no vectors, or if there are too many texts.
    pub(crate) fn new<'t>(texts: impl IntoIterator<Item = &'t str>) -> Option<Self> {
        let texts = texts.into_iter().map(str::to_ascii_lowercase);
        let searcher = packed::Searcher::new(texts)?;
        Some(Self { searcher })
    }

    /// Returns `false` if certainly none of the texts occurs in `line`, one of [`lines()`].
    pub(crate) fn may_open(&self, line: &[u8]) -> bool {
        // Below a minimum length the search has no vectors, so zeros fill up the line.
        let mut lowered = [0; MAX_SEARCHED];
        let Some(copy) = lowered.get_mut(..line.len()) else {
            return true;
        };
        copy.copy_from_slice(line);
        copy.make_ascii_lowercase();
        let end = line.len().next_multiple_of(64);
        let lowered = lowered.get(..end).unwrap_or_default();
        self.searcher.find(lowered).is_some()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use gabion_core::ClientRules;
    use gabion_testkit::OwnedHead;
    use proptest::{
        collection::vec,
        prelude::{Just, any},
        prop_assert_eq, prop_oneof, proptest,
        strategy::Strategy,
    };

    use super::*;

    const TEXTS: [&str; 4] = ["nikto", "SQLmap", "nmap scripting engine", "curl/"];

    /// One of the texts in either case, a part of one, or other bytes.
    pub(crate) fn piece(texts: Vec<&'static str>) -> impl Strategy<Value = Vec<u8>> {
        let text = (proptest::sample::select(texts), any::<bool>());
        let text = text.prop_map(|(text, upper)| {
            if upper {
                text.to_ascii_uppercase().into_bytes()
            } else {
                text.as_bytes().to_vec()
            }
        });
        prop_oneof![
            text.clone(),
            text.prop_map(|text| text[1..].to_vec()),
            vec(any::<u8>(), 0..60),
            Just(b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36".to_vec()),
        ]
    }

    proptest! {
        #[test]
        fn gate_opens_for_lines_with_a_text_only(pieces in vec(piece(TEXTS.to_vec()), 0..12)) {
            let line = pieces.concat();
            let Some(gate) = Gate::new(TEXTS) else { return Ok(()) };
            let lowered = line.to_ascii_lowercase();
            let occurs = TEXTS.iter().any(|text| {
                let text = text.to_ascii_lowercase().into_bytes();
                lowered.windows(text.len()).any(|window| window == text)
            });
            prop_assert_eq!(gate.may_open(&line), occurs || line.len() > MAX_SEARCHED);
        }
    }

    #[test]
    fn first_bytes_of_many_lines_are_searched() {
        let line = "x".repeat(MAX_SEARCHED - 10);
        let head = OwnedHead::get("/").header("user-agent", &line);
        let head = (0..90).fold(head, |head, _| head.header("user-agent", "nikto"));
        let rules = ClientRules::default();
        let facts = head.facts(&rules);
        let lines: Vec<_> = lines(&facts).collect();
        assert_eq!(lines, [line.as_bytes(), b"nikto"]);

        let long = OwnedHead::get("/").header("user-agent", &"x".repeat(8000));
        let facts = long.facts(&rules);
        assert_eq!(
            super::lines(&facts).map(<[u8]>::len).sum::<usize>(),
            MAX_SEARCHED
        );
    }
}
