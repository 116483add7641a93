//! Keys of request targets, by which different ones are counted.

use gabion_core::{Facts, Segment, append_stable_hash, stable_hash};

/// The keys of a request target. Segments that are ids stand for any id, so that `/users/17` and
/// `/users/18` are one page. Keys are hashes: in rare cases, two targets share them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    /// The path.
    page: u32,
    /// The path without its last segment. [`Self::ROOT`] if it has one segment only.
    folder: u16,
    /// The query as it was sent. [`Self::NO_QUERY`] if it is empty.
    query: u16,
}

impl Target {
    const ROOT: u16 = 0;
    const NO_QUERY: u16 = 0;

    #[expect(clippy::cast_possible_truncation, reason = "some bits of a hash")]
    pub(super) fn new(facts: &Facts<'_>, last: Segment<'_>) -> Self {
        let (page, folder) = if facts.path.any_segment(starts_with_id) {
            without_ids(facts)
        } else {
            let path = facts.path.raw();
            let folder = path.get(..path.len().saturating_sub(last.bytes().len()));
            let folder = folder.filter(|folder| folder.len() > 1);
            (facts.path.hash(), folder.map_or(0, stable_hash))
        };
        let query = facts.uri.query().filter(|query| !query.is_empty());
        Self {
            page: page as u32,
            folder: if folder == 0 {
                Self::ROOT
            } else {
                folder as u16 | 1
            },
            query: query.map_or(Self::NO_QUERY, |query| {
                stable_hash(query.as_bytes()) as u16 | 1
            }),
        }
    }

    /// The key of the path.
    pub(super) const fn page(self) -> u32 {
        self.page
    }

    /// The key of the targets that this one is an item of: those of the same page with other queries,
    /// or those of the same folder. `None` for a page of the root folder.
    pub(super) fn collection(self) -> Option<u32> {
        match (self.query, self.folder) {
            (Self::NO_QUERY, Self::ROOT) => None,
            (Self::NO_QUERY, folder) => Some(folder.into()),
            _ => Some(self.page),
        }
    }

    /// The key of the query. Zero if it is empty.
    pub(super) const fn query(self) -> u16 {
        self.query
    }

    /// The key of the entire target.
    pub(super) fn key(self) -> u32 {
        self.page ^ u32::from(self.query) << 16
    }

    /// The keys as one number.
    pub(super) fn packed(self) -> u64 {
        u64::from(self.page) << 32 | u64::from(self.folder) << 16 | u64::from(self.query)
    }

    /// The keys from [`Self::packed`].
    #[expect(clippy::cast_possible_truncation, reason = "each part is taken")]
    pub(super) const fn unpack(packed: u64) -> Self {
        Self {
            page: (packed >> 32) as u32,
            folder: (packed >> 16) as u16,
            query: packed as u16,
        }
    }
}

/// Returns the hashes of a path, and of the path without its last segment, in which all ids are alike.
fn without_ids(facts: &Facts<'_>) -> (u64, u64) {
    let (mut folder, mut path) = (0, 0);
    for segment in facts.path.raw_segments() {
        let name = segment.bytes();
        folder = path;
        path = append_stable_hash(path, if starts_with_id(name) { b"0" } else { name });
    }
    (path, folder)
}

/// Returns `true` if the segment before the next slash is a number, or a hexadecimal number or UUID of at
/// least eight characters.
#[inline]
fn starts_with_id(path: &[u8]) -> bool {
    const MIN_HEX: usize = 8;
    let (mut len, mut digits) = (0_usize, 0_usize);
    for byte in path {
        match byte {
            b'/' => break,
            b'0'..=b'9' => digits = digits.wrapping_add(1),
            b'a'..=b'f' | b'A'..=b'F' | b'-' => {}
            _ => return false,
        }
        len = len.wrapping_add(1);
    }
    digits > 0 && (digits == len || len >= MIN_HEX)
}

#[cfg(test)]
mod tests {
    use gabion_core::ClientRules;
    use gabion_testkit::OwnedHead;

    use super::*;

    fn target(target: &str) -> Target {
        let head = OwnedHead::get(target);
        let rules = ClientRules::default();
        let facts = head.facts(&rules);
        Target::new(&facts, facts.path.last_segment())
    }

    #[test]
    fn ids_in_a_path_are_alike_and_those_in_a_query_differ() {
        for (one, other, same) in [
            ("/users/17", "/users/18", true),
            ("/users/17/posts", "/users/180/posts", true),
            ("/users/17", "/users/x", false),
            ("/users/a", "/users/b", false),
            ("/a/users", "/b/users", false),
            ("/?author=1", "/?author=2", false),
            ("/?", "/", true),
            ("/a?x", "/b?x", false),
            ("/1", "/2", true),
            ("/page1", "/page2", false),
            ("/a/b2/c", "/a/b3/c", false),
            ("/o/3f2a9c4d-11e2", "/o/0b7d1c9e-27aa", true),
            ("/o/deadbeef", "/o/cafebabe", false),
            ("/17/x", "/x/17", false),
            ("/a/b", "/b/a", false),
        ] {
            assert_eq!(target(one) == target(other), same, "{one} {other}");
            assert_eq!(
                target(one).key() == target(other).key(),
                same,
                "{one} {other}"
            );
            let unpacked = Target::unpack(target(one).packed());
            assert_eq!(unpacked, target(one), "{one}");
        }
    }

    #[test]
    fn item_belongs_to_the_collection_of_its_folder_or_of_its_page() {
        for (one, other) in [
            ("/users/a", "/users/b"),
            ("/users/17/posts", "/users/18/likes"),
            ("/?author=1", "/?author=2"),
            ("/find?q=a", "/find?q=b"),
        ] {
            let collection = target(one).collection();
            assert!(collection.is_some(), "{one}");
            assert_eq!(collection, target(other).collection(), "{one} {other}");
        }
        assert_ne!(target("/a/x").collection(), target("/b/x").collection());
        for page in ["/", "/admin", "/17"] {
            assert_eq!(target(page).collection(), None, "{page}");
        }
        assert_eq!(target("/find?q=a").page(), target("/find").page());
    }
}
