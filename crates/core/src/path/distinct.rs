//! The names in all views of one path.

use super::Segment;
use crate::stable_hash;

/// The names that the segments of several forms of a path may stand for. Forms share most of their
/// segments, so that the names of each are found once, except for rare repetitions.
#[derive(Clone, Debug, Default)]
pub(super) struct DistinctNames {
    names: Vec<Name>,
    /// The bytes of all names.
    bytes: Vec<u8>,
}

/// A name: the bytes from `start` to `end`.
#[derive(Clone, Copy, Debug)]
struct Name {
    start: usize,
    end: usize,
    /// The position of the last dot in the name, or its length.
    dot: usize,
}

/// The latest segment with each hash. A set of all would cost more than what it saves.
struct Latest<'v>([&'v [u8]; Latest::PLACES]);

// === impl DistinctNames ===

impl DistinctNames {
    /// Finds the names in `forms`, in time linear in their length.
    pub(super) fn new<'v>(forms: impl Iterator<Item = &'v [u8]> + Clone) -> Self {
        let bytes = forms.clone().next().map_or(0, <[u8]>::len);
        let mut all = Self {
            names: Vec::with_capacity(16),
            bytes: Vec::with_capacity(bytes.saturating_mul(2)),
        };
        let mut latest = Latest([b""; Latest::PLACES]);
        for segment in forms.flat_map(|form| form.split(|&byte| byte == b'/')) {
            if latest.replace(segment) {
                Segment::new(segment).any_name(|name| {
                    all.add(name);
                    false
                });
            }
        }
        all
    }

    fn add(&mut self, name: Segment<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name.bytes);
        self.names.push(Name {
            start,
            end: self.bytes.len(),
            dot: name.dot,
        });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Segment<'_>> {
        self.names.iter().map(|name| Segment {
            bytes: self.bytes.get(name.start..name.end).unwrap_or_default(),
            dot: name.dot,
            is_canonical: true,
        })
    }
}

// === impl Latest ===

impl<'v> Latest<'v> {
    const PLACES: usize = 64;

    /// Makes `segment` the latest with its hash. Returns `false` if it is already, or is empty.
    #[expect(clippy::cast_possible_truncation, reason = "some bits of a hash")]
    fn replace(&mut self, segment: &'v [u8]) -> bool {
        let place = self.0.get_mut(stable_hash(segment) as usize % Self::PLACES);
        place.is_some_and(|latest| {
            let is_new = *latest != segment && !segment.is_empty();
            *latest = segment;
            is_new
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_shared_segments_are_kept_once_and_those_of_many_segments_all() {
        let few: [&[u8]; 3] = [b"/a/b.c/a", b"/x:y/b.c", b"//a"];
        let names = DistinctNames::new(few.into_iter());
        let found: Vec<_> = names.iter().map(|name| name.bytes()).collect();
        assert_eq!(found, [&b"a"[..], b"b.c", b"x:y", b"x", b"y"]);
        assert_eq!(names.iter().nth(1).unwrap().extension(), Some(&b"c"[..]));

        let many: Vec<_> = (0..500).map(|number| format!("/{number}")).collect();
        let names = DistinctNames::new([many.concat().as_bytes()].into_iter());
        let expected = many.iter().map(|segment| &segment.as_bytes()[1..]);
        assert!(names.iter().map(|name| name.bytes()).eq(expected));
    }
}
