//! A prefilter for lookups of names.

use super::{Segment, View};

/// A set of names, reduced to their first bytes, last bytes and lengths. ASCII case is ignored.
///
/// Most names that clients request differ in these from each stored name, which two loads detect.
///
/// # Examples
///
/// ```
/// use gabion_core::NameFilter;
///
/// let mut filter = NameFilter::default();
/// filter.add(b".env");
/// assert!(filter.may_contain(b".ENV"));
/// assert!(filter.may_contain(b".nav"));
/// assert!(!filter.may_contain(b"index.html"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct NameFilter(Accepted);

#[derive(Clone, Debug, Default)]
enum Accepted {
    #[default]
    None,
    Names(Box<Lengths>),
    All,
}

/// The lengths of names, each as one bit. Lengths that differ by a multiple of 64 share a bit.
#[derive(Clone, Debug)]
struct Lengths {
    by_first_byte: [u64; BYTES],
    by_last_byte: [u64; BYTES],
}

const BYTES: usize = 256;

// === impl NameFilter ===

impl NameFilter {
    /// Returns `true` if no name was added.
    pub const fn is_empty(&self) -> bool {
        matches!(self.0, Accepted::None)
    }

    /// Adds a name.
    pub fn add(&mut self, name: &[u8]) {
        if let Some(lengths) = self.lengths() {
            let length = 1 << (name.len() % 64);
            for (lengths, byte) in [
                (&mut lengths.by_first_byte, name.first()),
                (&mut lengths.by_last_byte, name.last()),
            ] {
                // Both cases are stored, so that a lookup need not convert.
                for byte in [
                    byte.map(u8::to_ascii_lowercase),
                    byte.map(u8::to_ascii_uppercase),
                ] {
                    if let Some(lengths) = lengths.get_mut(index(byte)) {
                        *lengths |= length;
                    }
                }
            }
        }
    }

    /// Accepts every name.
    pub fn add_all(&mut self) {
        self.0 = Accepted::All;
    }

    /// Adds the names of another filter.
    pub fn merge(&mut self, other: &Self) {
        match &other.0 {
            Accepted::None => {}
            Accepted::All => self.add_all(),
            Accepted::Names(others) => {
                if let Some(lengths) = self.lengths() {
                    let by_first = lengths.by_first_byte.iter_mut().zip(&others.by_first_byte);
                    let by_last = lengths.by_last_byte.iter_mut().zip(&others.by_last_byte);
                    by_first.chain(by_last).for_each(|(to, from)| *to |= from);
                }
            }
        }
    }

    /// Returns `false` if `name` is certainly not in the set.
    #[inline]
    pub fn may_contain(&self, name: &[u8]) -> bool {
        match &self.0 {
            Accepted::None => false,
            Accepted::Names(lengths) => lengths.contain(name),
            Accepted::All => true,
        }
    }

    /// Returns `false` if the set certainly contains no name that a segment of `view` stands for, and no
    /// extension of such a name.
    #[inline]
    pub fn may_contain_any(&self, view: View<'_>) -> bool {
        match &self.0 {
            Accepted::None => false,
            Accepted::Names(lengths) => view.segments().any(|segment| {
                if segment.is_canonical() {
                    lengths.contain_name_or_extension(segment)
                } else {
                    lengths.contain_interpretation(segment)
                }
            }),
            Accepted::All => true,
        }
    }

    /// The lengths of the names; `None` if every name is accepted.
    fn lengths(&mut self) -> Option<&mut Lengths> {
        if let Accepted::None = self.0 {
            self.0 = Accepted::Names(Box::new(Lengths {
                by_first_byte: [0; BYTES],
                by_last_byte: [0; BYTES],
            }));
        }
        match &mut self.0 {
            Accepted::Names(lengths) => Some(lengths),
            Accepted::None | Accepted::All => None,
        }
    }
}

// === impl Lengths ===

impl Lengths {
    #[inline]
    fn contain_name_or_extension(&self, name: Segment<'_>) -> bool {
        let extension = name.extension();
        self.contain(name.bytes()) || extension.is_some_and(|extension| self.contain(extension))
    }

    #[cold]
    fn contain_interpretation(&self, segment: Segment<'_>) -> bool {
        let mut names = segment.interpretations();
        self.contain(segment.canonical_name())
            || names.any(|name| self.contain_name_or_extension(name))
    }

    #[inline]
    fn contain(&self, name: &[u8]) -> bool {
        let of_first = self.by_first_byte.get(index(name.first().copied()));
        let of_last = self.by_last_byte.get(index(name.last().copied()));
        let both = of_first.unwrap_or(&0) & of_last.unwrap_or(&0);
        both >> (name.len() % 64) & 1 != 0
    }
}

#[inline]
fn index(byte: Option<u8>) -> usize {
    byte.unwrap_or(0).into()
}
