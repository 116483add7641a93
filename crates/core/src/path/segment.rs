//! The segments of a path, and the names that they stand for.

use super::{
    PathClasses,
    layout::{Layout, Marks},
    name,
};
use crate::words;

/// A segment of a path that is not empty: the bytes between two slashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'v> {
    bytes: &'v [u8],
    /// The position of the last dot, or the length.
    dot: usize,
    /// `true` if the segment stands for one name only, which is the entire segment.
    is_canonical: bool,
}

/// An iterator over the [`Segment`]s of a [`View`](crate::View).
#[derive(Clone, Debug)]
pub struct Segments<'v> {
    path: &'v [u8],
    /// The beginning of the next segment.
    start: usize,
    /// The slashes and dots from there on, among the first bytes.
    marks: Marks,
    are_canonical: bool,
}

// === impl Segment ===

impl<'v> Segment<'v> {
    /// One of the names that a segment stands for.
    fn interpretation(bytes: &'v [u8]) -> Self {
        let dot = bytes.iter().rposition(|&byte| byte == b'.');
        Self {
            bytes,
            dot: dot.unwrap_or(bytes.len()),
            is_canonical: true,
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
    /// blanks, and NTFS streams as in `::$DATA`. The entire segment if nothing else is left.
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

    /// The names that the segment may stand for: the segment without its parameters, and the parts
    /// between the characters at which some server or file system ends a name, each without the
    /// dots and blanks at its end.
    #[inline]
    pub fn interpretations(self) -> impl Iterator<Item = Self> {
        let several = (!self.is_canonical)
            .then(|| name::interpretations(self.bytes).map(Self::interpretation));
        let single = self.is_canonical.then_some(self);
        single.into_iter().chain(several.into_iter().flatten())
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

    #[inline]
    pub(super) const fn new(path: &'v [u8], marks: Marks, classes: PathClasses) -> Self {
        Self {
            path,
            start: 0,
            marks,
            are_canonical: !classes.intersects(Self::NOT_CANONICAL),
        }
    }

    /// The end of the segment that begins at `start`: the next slash or the end of the path.
    #[inline]
    fn end(&mut self) -> usize {
        let slashes = self.marks.slashes;
        if slashes != 0 {
            self.marks.slashes = slashes & slashes.wrapping_sub(1);
            slashes.trailing_zeros() as usize
        } else if self.path.len() <= Layout::BLOCK {
            self.path.len()
        } else {
            self.find_end()
        }
    }

    /// The position of the last dot of the segment; its end if it has none.
    #[inline]
    fn last_dot(&mut self, start: usize, end: usize) -> usize {
        if end > Layout::BLOCK {
            return self.find_last_dot(start, end);
        }
        let mut last = end;
        loop {
            let dot = self.marks.dots.trailing_zeros() as usize;
            if dot >= end {
                return last;
            }
            self.marks.dots &= self.marks.dots.wrapping_sub(1);
            last = dot;
        }
    }

    #[cold]
    fn find_end(&self) -> usize {
        let rest = self.path.get(self.start..).unwrap_or_default();
        let slash = words::find(rest, b'/');
        slash.map_or(self.path.len(), |slash| self.start.saturating_add(slash))
    }

    #[cold]
    fn find_last_dot(&self, start: usize, end: usize) -> usize {
        let bytes = self.path.get(start..end).unwrap_or_default();
        let dot = bytes.iter().rposition(|&byte| byte == b'.');
        dot.map_or(end, |dot| start.saturating_add(dot))
    }
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
            let end = self.end();
            self.start = end.saturating_add(1);
            if start < end {
                let dot = self.last_dot(start, end);
                let bytes = self.path.get(start..end)?;
                return Some(Segment {
                    bytes,
                    dot: dot.saturating_sub(start),
                    is_canonical: self.are_canonical || name::is_single(bytes),
                });
            }
        }
        None
    }
}
