//! The places of a message at which a literal may begin.

use memchr::memchr3;

/// Finds the places at which one of several literals, in any case, may begin.
///
/// The literals themselves are not compared: a place may be a false one, but none is left out.
#[derive(Debug)]
pub(super) struct Filter {
    first_bytes: Option<FirstBytes>,
    grams: Grams,
}

/// A range of positions, one of which may be the beginning of a literal. No literal begins before
/// it. Literals that begin after it are found by the next search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) first: usize,
    pub(super) last: usize,
}

/// A search for places in one text.
///
/// It begins with the cheapest method, and continues with the next one if that finds places too
/// often.
#[derive(Debug)]
pub(super) struct Places<'f, 't> {
    grams: &'f Grams,
    text: &'t [u8],
    method: Method<'f>,
    /// The number of places found by this method, and the position where it began.
    found: usize,
    since: usize,
}

#[derive(Clone, Copy, Debug)]
enum Method<'f> {
    FirstBytes(&'f FirstBytes),
    Grams,
    /// The rest of the text is one place.
    Rest,
}

/// The first bytes of all literals.
#[derive(Debug)]
struct FirstBytes([u8; 3]);

/// The grams at the beginning of the literals: sequences of up to four bytes, hashed.
///
/// One gram of a text is looked up in each step of several bytes. The table holds the grams at as
/// many offsets of each literal, so that one of them is looked up wherever the literal begins.
#[derive(Debug)]
struct Grams {
    /// The offset of a gram in a literal, the largest one if there are several, plus 1; or 0. By
    /// hash, in any case.
    offsets: Box<[u8; 1 << 16]>,
    /// The number of bytes of a gram, at most 4.
    len: usize,
    /// The step in bytes, at most [`Self::MAX_STEP`].
    step: usize,
    multiplier: u32,
}

// === impl Filter ===

impl Filter {
    /// Creates the filter of literals in lower case, none of which is empty.
    pub(super) fn new(literals: &[Box<[u8]>]) -> Self {
        Self {
            first_bytes: FirstBytes::new(literals),
            grams: Grams::new(literals),
        }
    }

    pub(super) fn places<'f, 't>(&'f self, text: &'t [u8]) -> Places<'f, 't> {
        let first_bytes = self.first_bytes.as_ref();
        Places {
            grams: &self.grams,
            text,
            method: first_bytes.map_or(Method::Grams, Method::FirstBytes),
            found: 0,
            since: 0,
        }
    }
}

// === impl Places ===

impl Places<'_, '_> {
    /// A method is used until it has found more than this number of places, on average one in fewer
    /// than [`Self::MIN_DISTANCE`] bytes. Reading these bytes then takes less time than the method.
    const MAX_FOUND: usize = 8;
    const MIN_DISTANCE: usize = 32;

    /// Returns the first place at or after `from`.
    pub(super) fn next_from(&mut self, from: usize) -> Option<Place> {
        let place = match self.method {
            Method::FirstBytes(first_bytes) => first_bytes.find(self.text, from)?,
            Method::Grams => self.grams.find(self.text, from)?,
            Method::Rest => {
                let last = self.text.len().checked_sub(1)?;
                return (from <= last).then_some(Place { first: from, last });
            }
        };
        self.found += 1;
        let read = place.last - self.since;
        if self.found > Self::MAX_FOUND && self.found * Self::MIN_DISTANCE > read {
            self.method = match self.method {
                Method::FirstBytes(_) => Method::Grams,
                Method::Grams | Method::Rest => Method::Rest,
            };
            (self.found, self.since) = (0, place.last);
        }
        Some(place)
    }
}

// === impl FirstBytes ===

impl FirstBytes {
    /// Punctuation that occurs so often in prose or JSON that a search for it saves nothing.
    const COMMON: &[u8] = b"!\"'(),-./:;?[]_{}";

    /// Returns `None` unless the literals begin with at most three bytes, all of them rare.
    fn new(literals: &[Box<[u8]>]) -> Option<Self> {
        let mut bytes: Vec<u8> = literals
            .iter()
            .filter_map(|text| text.first())
            .copied()
            .collect();
        bytes.sort_unstable();
        bytes.dedup();
        let is_rare = |byte: &u8| byte.is_ascii_punctuation() && !Self::COMMON.contains(byte);
        match bytes[..] {
            _ if !bytes.iter().all(is_rare) => None,
            [a] => Some(Self([a; 3])),
            [a, b] => Some(Self([a, b, b])),
            [a, b, c] => Some(Self([a, b, c])),
            _ => None,
        }
    }

    fn find(&self, text: &[u8], from: usize) -> Option<Place> {
        let Self([a, b, c]) = *self;
        let first = memchr3(a, b, c, text.get(from..)?)?.saturating_add(from);
        Some(Place { first, last: first })
    }
}

// === impl Grams ===

impl Grams {
    const MAX_STEP: usize = 8;

    /// The number of grams that are looked up with one branch.
    const AT_ONCE: usize = 8;

    /// Sets the bit in which the two cases of an ASCII letter differ. Other bytes become the same as
    /// well, which only adds false places.
    const IGNORE_CASE: u32 = 0x2020_2020;

    fn new(literals: &[Box<[u8]>]) -> Self {
        let shortest = literals
            .iter()
            .map(|text| text.len())
            .min()
            .unwrap_or(1)
            .max(1);
        // Longer grams are in fewer texts, longer steps read less of a text.
        let len = (shortest / 2 + 1).min(4);
        let step = (shortest + 1 - len).min(Self::MAX_STEP);
        let unused_bits = 8 * (4 - len);
        let mut grams = Self {
            #[expect(clippy::large_stack_arrays, reason = "64 KiB, once per policy")]
            offsets: Box::new([0; 1 << 16]),
            len,
            step,
            // An odd multiplier (Knuth), shifted so that bytes after the gram have no effect.
            multiplier: 0x9e37_79b1 << unused_bits,
        };
        for literal in literals {
            for (gram, offset) in literal.windows(len).zip(1..).take(step) {
                let slot = grams.slot(word(gram, 0));
                if let Some(last) = grams.offsets.get_mut(slot) {
                    *last = offset.max(*last);
                }
            }
        }
        grams
    }

    /// Returns the index of the gram at the beginning of four bytes.
    const fn slot(&self, word: u32) -> usize {
        ((word | Self::IGNORE_CASE).wrapping_mul(self.multiplier) >> 16) as usize
    }

    fn find(&self, text: &[u8], from: usize) -> Option<Place> {
        match self.step {
            1 => self.find_by::<1>(text, from),
            2 => self.find_by::<2>(text, from),
            3 => self.find_by::<3>(text, from),
            4 => self.find_by::<4>(text, from),
            5 => self.find_by::<5>(text, from),
            6 => self.find_by::<6>(text, from),
            7 => self.find_by::<7>(text, from),
            _ => self.find_by::<{ Self::MAX_STEP }>(text, from),
        }
    }

    /// Searches in steps of `STEP`, a constant so that the loop over a block is unrolled.
    fn find_by<const STEP: usize>(&self, text: &[u8], from: usize) -> Option<Place> {
        let mut rest = text.get(from..)?;
        while let Some(block) = rest.get(..Self::AT_ONCE * STEP + 3) {
            let found =
                (0..Self::AT_ONCE).fold(0, |found, nth| found | self.offset(block, nth * STEP));
            if found != 0 {
                break;
            }
            rest = rest.get(Self::AT_ONCE * STEP..)?;
        }
        let at = text.len() - rest.len();
        let ends = rest.len().checked_sub(self.len)?;
        (0..=ends).step_by(STEP).find_map(|position| {
            let offset = self.offset(rest, position).checked_sub(1)?;
            let last = at + position;
            let first = last.saturating_sub(offset.into()).max(from);
            Some(Place { first, last })
        })
    }

    fn offset(&self, text: &[u8], at: usize) -> u8 {
        let slot = self.slot(word(text, at));
        self.offsets.get(slot).copied().unwrap_or_default()
    }
}

/// Returns the four bytes at a position, zeros where the text ends.
fn word(text: &[u8], at: usize) -> u32 {
    let text = text.get(at..).unwrap_or_default();
    let word = text.first_chunk().copied().unwrap_or_else(|| {
        let mut word = [0; 4];
        for (to, from) in word.iter_mut().zip(text) {
            *to = *from;
        }
        word
    });
    u32::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(literals: &[&str]) -> Filter {
        let literals: Vec<Box<[u8]>> = literals.iter().map(|text| text.as_bytes().into()).collect();
        Filter::new(&literals)
    }

    fn places(filter: &Filter, text: &str) -> Vec<(usize, usize)> {
        let (mut places, mut from, mut found) = (filter.places(text.as_bytes()), 0, Vec::new());
        while let Some(place) = places.next_from(from) {
            assert!(from <= place.first && place.first <= place.last && place.last < text.len());
            found.push((place.first, place.last));
            from = place.last + 1;
        }
        found
    }

    #[test]
    fn rare_first_bytes_are_searched_alone() {
        let rare = filter(&["${jndi:", "<script", "${${"]);
        assert!(rare.first_bytes.is_some());
        assert_eq!(places(&rare, "a < b, 3$"), [(2, 2), (8, 8)]);
        for literals in [
            &["$a", "<a", "%a", "&a"][..],
            &["{\"a"],
            &["$a", "a$"],
            &["\u{e9}"],
        ] {
            assert!(filter(literals).first_bytes.is_none(), "{literals:?}");
        }
    }

    #[test]
    fn grams_have_the_offset_at_which_a_literal_may_begin() {
        let filter = filter(&["abcdefgh"]);
        let step = filter.grams.step;
        assert_eq!((filter.grams.len, step), (4, 5));
        for before in 0..30 {
            let text = ".".repeat(before) + "ABcdefgh" + &".".repeat(40);
            let (first, last) = places(&filter, &text)[0];
            assert_eq!(first, before);
            assert!((before..before + step).contains(&last));
        }
        assert_eq!(places(&filter, &"the gate stands open ".repeat(50)), []);
    }

    #[test]
    fn method_that_finds_too_many_places_is_not_used_further() {
        let filter = filter(&["<script"]);
        let text = "<scri".repeat(1000);
        let found = places(&filter, &text);
        assert_eq!(found.len(), 2 * (Places::MAX_FOUND + 1) + 1);
        assert_eq!(found.last().unwrap().1, text.len() - 1);
        // Occasional places do not add up.
        let text = ("<".to_owned() + &"a".repeat(99)).repeat(100);
        assert_eq!(places(&filter, &text).len(), 100);
    }
}
