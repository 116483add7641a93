//! A prefilter for lookups of names.

use super::{Segment, View, layout::Marks};

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

    /// Returns `true` if every name is accepted.
    pub const fn accepts_all(&self) -> bool {
        matches!(self.0, Accepted::All)
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
            Accepted::Names(lengths) => match view.segments().marks_if_simple() {
                Some(marks) => lengths.contain_any_simple(view.path, marks),
                None => lengths.contain_any(view),
            },
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
    /// [`Self::contain_any`] for a path of one block in which all segments are canonical names.
    #[inline]
    fn contain_any_simple(&self, path: &[u8], marks: Marks) -> bool {
        let mut ends = marks.slashes | 1 << (path.len() % 64);
        let mut start = 0;
        while ends != 0 {
            let end = ends.trailing_zeros() as usize;
            ends &= ends.wrapping_sub(1);
            if start < end {
                let of_last = self.of_last(path.get(end.wrapping_sub(1)));
                let contains = |from: usize| {
                    let both = self.of_first(path.get(from)) & of_last;
                    both >> (end.wrapping_sub(from) % 64) & 1 != 0
                };
                // The dots from `start` to `end`.
                let dots = marks.dots & (1_u64 << end).wrapping_sub(1) >> start << start;
                let dot = dots.checked_ilog2().map(|dot| dot as usize);
                if contains(start) || dot.is_some_and(|dot| contains(dot.wrapping_add(1))) {
                    return true;
                }
            }
            start = end.wrapping_add(1);
        }
        false
    }

    #[inline(never)]
    fn contain_any(&self, view: View<'_>) -> bool {
        view.segments().any(|segment| {
            if segment.is_canonical() {
                self.contain_name_or_extension(segment)
            } else {
                self.contain_interpretation(segment)
            }
        })
    }

    #[inline]
    fn contain_name_or_extension(&self, name: Segment<'_>) -> bool {
        let extension = name.extension();
        self.contain(name.bytes()) || extension.is_some_and(|extension| self.contain(extension))
    }

    #[cold]
    fn contain_interpretation(&self, segment: Segment<'_>) -> bool {
        segment.any_name(|name| self.contain_name_or_extension(name))
    }

    #[inline]
    fn contain(&self, name: &[u8]) -> bool {
        let both = self.of_first(name.first()) & self.of_last(name.last());
        both >> (name.len() % 64) & 1 != 0
    }

    /// The lengths of the names with this first byte.
    #[inline]
    fn of_first(&self, byte: Option<&u8>) -> u64 {
        let lengths = self.by_first_byte.get(index(byte.copied()));
        lengths.copied().unwrap_or_default()
    }

    /// The lengths of the names with this last byte.
    #[inline]
    fn of_last(&self, byte: Option<&u8>) -> u64 {
        let lengths = self.by_last_byte.get(index(byte.copied()));
        lengths.copied().unwrap_or_default()
    }
}

#[inline]
fn index(byte: Option<u8>) -> usize {
    byte.unwrap_or(0).into()
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::vec, prelude::any, prop_assert, prop_assert_eq, proptest, sample::Index,
    };

    use super::*;
    use crate::PathViews;

    proptest! {
        #[test]
        fn simple_paths_have_the_result_of_all_paths(
            path in "/([ab.]{0,3}/){0,24}[ab./]{0,8}",
            names in vec("[ab]{1,4}|[ab]{1,2}[.][ab]{1,2}", 1..4),
        ) {
            let mut filter = NameFilter::default();
            for name in &names {
                filter.add(name.as_bytes());
            }
            let Accepted::Names(lengths) = &filter.0 else {
                unreachable!("names were added");
            };
            for view in PathViews::new(path.as_bytes()).iter() {
                prop_assert_eq!(filter.may_contain_any(view), lengths.contain_any(view));
            }
        }

        #[test]
        fn names_and_extensions_in_a_path_are_found(
            segments in vec("[a-z]{1,4}([.][a-z]{1,3})?", 1..20),
            index in any::<Index>(),
        ) {
            let path = format!("/{}", segments.join("/"));
            let name = index.get(&segments);
            let extension = name.split_once('.').map_or(&**name, |(_, extension)| extension);
            for name in [name, extension] {
                let mut filter = NameFilter::default();
                filter.add(name.as_bytes());
                let views = PathViews::new(path.as_bytes());
                prop_assert!(views.iter().any(|view| filter.may_contain_any(view)));
            }
        }
    }
}
