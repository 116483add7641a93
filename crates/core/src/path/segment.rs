//! The segments of a path, and the names that they stand for.

use super::{PathClasses, layout::Marks, name};

/// A segment of a path that is not empty: the bytes between two slashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'v> {
    pub(super) bytes: &'v [u8],
    /// The position of the last dot, or the length.
    pub(super) dot: usize,
    /// `true` if the segment stands for one name only, which is the entire segment.
    pub(super) is_canonical: bool,
}

/// An iterator over the [`Segment`]s of a [`View`](crate::View).
#[derive(Clone, Debug)]
pub struct Segments<'v> {
    path: &'v [u8],
    /// The beginning of the next segment.
    start: usize,
    /// The beginning of the block that is marked.
    block: usize,
    /// The slashes and dots of the block from the next segment on.
    marks: Marks,
    are_canonical: bool,
}

// === impl Segment ===

impl<'v> Segment<'v> {
    /// The bytes after the last slash of a path, which may be empty. The first block of the path has these
    /// marks.
    #[inline]
    pub(super) fn last(path: &'v [u8], marks: Marks, classes: PathClasses) -> Self {
        let slash = if path.len() <= Marks::BLOCK {
            marks.slashes.checked_ilog2().map(|slash| slash as usize)
        } else {
            path.iter().rposition(|&byte| byte == b'/')
        };
        let start = slash.map_or(0, |slash| slash.saturating_add(1));
        let bytes = path.get(start..).unwrap_or_default();
        let dot = bytes.iter().rposition(|&byte| byte == b'.');
        Self {
            bytes,
            dot: dot.unwrap_or(bytes.len()),
            is_canonical: !classes.intersects(Segments::NOT_CANONICAL) || name::is_single(bytes),
        }
    }

    /// The segment with these bytes, which contain no slash.
    pub(super) fn new(bytes: &'v [u8]) -> Self {
        let dot = bytes.iter().rposition(|&byte| byte == b'.');
        Self {
            bytes,
            dot: dot.unwrap_or(bytes.len()),
            is_canonical: name::is_single(bytes),
        }
    }

    /// The bytes.
    pub const fn bytes(&self) -> &'v [u8] {
        self.bytes
    }

    /// Returns `true` if the segment stands for one name only, which is the entire segment.
    #[inline]
    pub const fn is_canonical(&self) -> bool {
        self.is_canonical
    }

    /// The name without the suffixes that servers and file systems ignore: `;parameters`, dots and
    /// blanks, and NTFS streams such as `::$DATA` and `:$I30:$INDEX_ALLOCATION`. The entire segment if nothing else is left.
    ///
    /// Two segments name the same file or route if their canonical names differ in ASCII case only.
    #[inline]
    pub fn canonical_name(&self) -> &'v [u8] {
        if self.is_canonical {
            self.bytes
        } else {
            name::canonical(self.bytes)
        }
    }

    /// The part after the last dot; `None` without a dot.
    #[inline]
    pub fn extension(&self) -> Option<&'v [u8]> {
        self.bytes.get(self.dot.saturating_add(1)..)
    }

    /// Returns `true` if one of the [`Self::interpretations`] matches, or the [`Self::canonical_name`].
    #[inline]
    pub fn any_name(self, mut matches: impl FnMut(Self) -> bool) -> bool {
        if self.is_canonical {
            return matches(self);
        }
        let mut is_canonical_left = true;
        let canonical = self.canonical_name();
        let mut names = self.interpretations();
        names.any(|name| {
            is_canonical_left = is_canonical_left && name.bytes != canonical;
            matches(name)
        }) || is_canonical_left && matches(Self::new(canonical))
    }

    /// The names that the segment may stand for: the segment without its parameters, and the parts
    /// between the characters at which some server or file system ends a name, each without the
    /// dots and blanks at its end.
    #[inline]
    pub fn interpretations(self) -> impl Iterator<Item = Self> {
        let names = name::Interpretations::new(self.bytes, self.dot);
        names.map(|(bytes, dot)| Self {
            bytes,
            dot,
            is_canonical: true,
        })
    }
}

// === impl Segments ===

impl<'v> Segments<'v> {
    /// The classes of a path in which some segment may not be its own canonical name.
    const NOT_CANONICAL: PathClasses = PathClasses::SEMICOLON
        .union(PathClasses::NAME_END)
        .union(PathClasses::TRAILING_DOT)
        .union(PathClasses::BLANK)
        .union(PathClasses::CONTROL)
        .union(PathClasses::NON_ASCII);

    /// The segments of `path`. Its first block has these marks.
    #[inline]
    pub(super) const fn new(path: &'v [u8], marks: Marks, classes: PathClasses) -> Self {
        Self {
            path,
            start: 0,
            block: 0,
            marks,
            are_canonical: !classes.intersects(Self::NOT_CANONICAL),
        }
    }

    /// Returns the marks of the path if it is one block and all its segments are canonical names.
    #[inline]
    pub(super) const fn marks_if_simple(&self) -> Option<Marks> {
        if self.are_canonical && self.path.len() < Marks::BLOCK {
            Some(self.marks)
        } else {
            None
        }
    }

    /// Passes the next slash or the end of the path. Returns its position, and that of the last dot
    /// before it, if there is one.
    #[inline]
    fn pass_segment(&mut self) -> (usize, Option<usize>) {
        let mut last_dot = None;
        while self.marks.slashes == 0 && self.block_end() < self.path.len() {
            last_dot = self.last_dot(u64::MAX).or(last_dot);
            self.block = self.block_end();
            self.marks = mark(self.path, self.block);
        }
        let slash = self.marks.slashes & self.marks.slashes.wrapping_neg();
        // All bits without a slash.
        let bits_before = slash.wrapping_sub(1);
        let last = self.last_dot(bits_before).or(last_dot);
        self.marks.slashes ^= slash;
        self.marks.dots &= !bits_before;
        let end = if slash == 0 {
            self.path.len()
        } else {
            self.block.wrapping_add(slash.trailing_zeros() as usize)
        };
        (end, last)
    }

    /// Returns the position of the last dot among these bits of the marks.
    #[inline]
    fn last_dot(&self, bits: u64) -> Option<usize> {
        let bit = (self.marks.dots & bits).checked_ilog2()?;
        Some(self.block.wrapping_add(bit as usize))
    }

    const fn block_end(&self) -> usize {
        self.block.wrapping_add(Marks::BLOCK)
    }
}

/// Marks the block of `path` that begins at `start`.
#[cold]
fn mark(path: &[u8], start: usize) -> Marks {
    let rest = path.get(start..).unwrap_or_default();
    Marks::new(rest.get(..Marks::BLOCK).unwrap_or(rest), |_| ())
}

impl<'v> Iterator for Segments<'v> {
    type Item = Segment<'v>;

    #[expect(
        clippy::inline_always,
        reason = "a call per segment would cost as much as the rest of a gate"
    )]
    #[inline(always)]
    fn next(&mut self) -> Option<Segment<'v>> {
        while self.start < self.path.len() {
            let start = self.start;
            let (end, dot) = self.pass_segment();
            self.start = end.saturating_add(1);
            if start < end {
                let bytes = self.path.get(start..end)?;
                return Some(Segment {
                    bytes,
                    dot: dot.unwrap_or(end).wrapping_sub(start),
                    is_canonical: self.are_canonical || name::is_single(bytes),
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::select};

    use super::*;

    /// The names in `segment`, derived with the standard library.
    fn names(segment: &[u8]) -> Vec<&[u8]> {
        let name = segment.split(|&byte| byte == b';').next().unwrap();
        let parts: Vec<_> = name.split(|byte| b":?#".contains(byte)).collect();
        let parts = if parts.len() > 1 { parts } else { Vec::new() };
        let trim = |name: &[u8]| {
            let mut end = name.len();
            while end > 0 && b". \t\r\n".contains(&name[end - 1])
                || name[..end].ends_with(b"\xc2\xa0")
            {
                end -= if name[end - 1] == 0xa0 { 2 } else { 1 };
            }
            end
        };
        let all = std::iter::once(name).chain(parts);
        all.map(|name| &name[..trim(name)]).collect()
    }

    proptest! {
        #[test]
        fn interpretations_are_the_names_with_their_extensions(
            pieces in prop::collection::vec(select(&["a", "b.c", ".", "..", ":", "::$", "?", "#", ";", " ", "\u{a0}"][..]), 1..9)
        ) {
            let segment = pieces.concat();
            let segment = segment.as_bytes();
            let mut segments = Segments::new(segment, Marks::new(segment, |_| ()), Segments::NOT_CANONICAL);
            let found: Vec<_> = segments.next().unwrap().interpretations().collect();
            let names = names(segment);
            prop_assert_eq!(found.iter().map(Segment::bytes).collect::<Vec<_>>(), names.clone());
            for (found, name) in found.iter().zip(names) {
                let dot = name.iter().rposition(|&byte| byte == b'.');
                prop_assert_eq!(found.extension(), dot.map(|dot| &name[dot + 1..]));
            }
        }
    }
}
