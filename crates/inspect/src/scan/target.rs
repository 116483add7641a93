//! Keys of request targets, by which different ones are counted.

use gabion_core::{Facts, stable_hash};

/// The keys of a request target. Segments that are ids stand for any id, so that `/users/17` and
/// `/users/18` are one page; empty segments do not count. Keys are hashes: in rare cases, two targets share them.
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
    pub(super) fn new(facts: &Facts<'_>) -> Self {
        let (mut folder, mut page) = (0, 0);
        for segment in facts.path.raw_segments() {
            folder = page;
            page = append(page, segment.bytes());
        }
        let query = facts.uri.query().filter(|query| !query.is_empty());
        Self {
            page: (page >> 32) as u32,
            folder: if folder == 0 {
                Self::ROOT
            } else {
                (folder >> 32) as u16 | 1
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

/// Returns the hash of a path that consists of one with the hash `path`, and `segment`.
#[inline]
fn append(path: u64, segment: &[u8]) -> u64 {
    const ID: u64 = 1;
    let segment = if is_id(segment) {
        ID
    } else {
        stable_hash(segment)
    };
    (path.rotate_left(32) ^ segment).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Returns `true` if the segment is a number, or a hexadecimal number or UUID of at least eight characters.
#[inline]
fn is_id(segment: &[u8]) -> bool {
    const MIN_HEX: usize = 8;
    let mut has_digit = false;
    let mut has_other = false;
    for byte in segment {
        match byte {
            b'0'..=b'9' => has_digit = true,
            b'a'..=b'f' | b'A'..=b'F' | b'-' => has_other = true,
            _ => return false,
        }
    }
    has_digit && (!has_other || segment.len() >= MIN_HEX)
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
        Target::new(&facts)
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
            ("/users/", "/users", true),
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
