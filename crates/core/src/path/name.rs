//! Names in a path, as servers and file systems compare them.

use super::PathClasses;
use crate::words;

/// The names that a segment may stand for: the entire segment without its parameters, and the parts
/// between the characters at which some server or file system ends a name. Each is without the
/// characters that are ignored at its end, and comes with the position of its last dot, or its length.
#[derive(Clone, Debug)]
pub(super) struct Interpretations<'v> {
    /// The entire segment without its parameters.
    name: &'v [u8],
    /// The position of the last dot of the segment, until the name was returned.
    dot: Option<usize>,
    /// The parts that were not returned.
    parts: Option<&'v [u8]>,
}

/// Returns the name without the suffixes that servers and file systems ignore, or the entire
/// segment if nothing else is left.
pub(super) fn canonical(segment: &[u8]) -> &[u8] {
    let mut name = before_params(segment);
    if words::contains(name, b':') {
        name = before_stream(name);
    }
    match trim_end(name) {
        [] => segment,
        trimmed => trimmed,
    }
}

/// Returns `true` if a segment stands for one name only, which is the entire segment. A dot segment
/// does: nothing would be left without its dots.
#[cold]
pub(super) fn is_single(segment: &[u8]) -> bool {
    let length = trim_end(segment).len();
    !may_end_early(segment) && (length == 0 || length == segment.len())
}

// === impl Interpretations ===

impl<'v> Interpretations<'v> {
    /// The names of a segment with its last dot at `dot`.
    #[inline]
    pub(super) fn new(segment: &'v [u8], dot: usize) -> Self {
        let name = before_params(segment);
        Self {
            name,
            dot: Some(dot),
            parts: Some(name),
        }
    }
}

impl<'v> Iterator for Interpretations<'v> {
    type Item = (&'v [u8], usize);

    #[inline]
    fn next(&mut self) -> Option<(&'v [u8], usize)> {
        if let Some(dot) = self.dot.take() {
            return Some(trim(self.name, dot));
        }
        let parts = self.parts?;
        let (mut dot, mut end) = (usize::MAX, parts.len());
        for (at, &byte) in parts.iter().enumerate() {
            if byte == b'.' {
                dot = at;
            } else if ends_name(byte) {
                end = at;
                break;
            }
        }
        let (part, rest) = parts.split_at_checked(end)?;
        self.parts = rest.get(1..);
        (end < self.name.len()).then(|| trim(part, dot.min(end)))
    }
}

/// Removes the ignored characters at the end of a name with its last dot at `dot`. Returns the position
/// of the last dot of the rest, or its length.
#[inline]
fn trim(name: &[u8], dot: usize) -> (&[u8], usize) {
    let trimmed = trim_end(name);
    if dot < trimmed.len() || dot == name.len() && trimmed.len() == name.len() {
        return (trimmed, dot);
    }
    let dot = trimmed.iter().rposition(|&byte| byte == b'.');
    (trimmed, dot.unwrap_or(trimmed.len()))
}

/// Returns `true` for the characters at which some server or file system ends a name.
const fn ends_name(byte: u8) -> bool {
    matches!(byte, b':' | b'?' | b'#')
}

fn before_params(segment: &[u8]) -> &[u8] {
    let end = words::find(segment, b';');
    end.and_then(|end| segment.get(..end)).unwrap_or(segment)
}

/// Removes the name and type of an NTFS stream: `name:stream:$TYPE`, in which the stream may be empty.
/// A directory has its entries in `:$I30:$INDEX_ALLOCATION`.
fn before_stream(name: &[u8]) -> &[u8] {
    let mut parts = name.splitn(3, |&byte| byte == b':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(before), Some(_stream), Some([b'$', ..])) => before,
        _ => name,
    }
}

/// Returns `true` if some server or file system may end the name before the end of the segment.
/// Most segments contain no such character.
fn may_end_early(segment: &[u8]) -> bool {
    const ENDS: PathClasses = PathClasses::SEMICOLON.union(PathClasses::NAME_END);
    let classes = segment.iter().map(|&byte| PathClasses::of(byte));
    classes
        .fold(PathClasses::NONE, PathClasses::union)
        .intersects(ENDS)
}

/// Removes the characters that file systems and servers ignore at the end of a name: dots and
/// blanks, including the no-break space.
fn trim_end(mut name: &[u8]) -> &[u8] {
    loop {
        name = match name {
            [rest @ .., b'.' | b' ' | b'\t' | b'\r' | b'\n'] | [rest @ .., 0xc2, 0xa0] => rest,
            trimmed => return trimmed,
        };
    }
}
