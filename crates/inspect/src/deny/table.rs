//! Case-insensitive hash tables of the names and paths of rules.
//!
//! A lookup copies nothing: the hash function lowers the case of each byte (FNV-1a), and candidates
//! are compared without case. The hash needs no secret seed: clients choose the keys of lookups,
//! but only the policy chooses the stored keys.

use hashbrown::HashTable;

use super::{name, name_filter::NameFilter};

/// Names, each with the index of the first rule that contains it.
#[derive(Debug, Default)]
pub(super) struct Names {
    table: HashTable<(Box<[u8]>, usize)>,
    filter: NameFilter,
}

/// Paths in the form of [`fold_path`], each with the index of the first rule that contains it.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    table: HashTable<(Box<[u8]>, usize)>,
    /// A filter on the first segments.
    filter: NameFilter,
    /// The largest number of segments of a path.
    deepest: usize,
}

#[derive(Clone, Copy)]
struct Hash(u64);

/// Converts a path to the form in which rules store it: lower case, canonical names, no trailing
/// slash.
pub(super) fn fold_path(path: &[u8]) -> Box<[u8]> {
    let mut folded = Vec::with_capacity(path.len());
    for segment in segments(path) {
        folded.push(b'/');
        folded.extend_from_slice(name::canonical(segment));
    }
    folded.make_ascii_lowercase();
    folded.into()
}

// === impl Names ===

impl Names {
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(super) fn add(&mut self, name: &[u8], rule: usize) {
        if self.find(name).is_none() {
            self.filter.add(name);
            let hash = Hash::EMPTY.update(name).finish();
            let rehash = |(name, _): &(Box<[u8]>, _)| Hash::EMPTY.update(name).finish();
            self.table.insert_unique(hash, (name.into(), rule), rehash);
        }
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        if !self.filter.may_contain(name) {
            return None;
        }
        let hash = Hash::EMPTY.update(name).finish();
        let is_equal = |(known, _): &(Box<[u8]>, _)| known.eq_ignore_ascii_case(name);
        self.table.find(hash, is_equal).map(|(_, rule)| *rule)
    }
}

// === impl Paths ===

impl Paths {
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Adds a path in the form of [`fold_path`].
    pub(crate) fn add(&mut self, path: Box<[u8]>, rule: usize) {
        if self.find_exact(&path).is_none() {
            self.deepest = self.deepest.max(segments(&path).count());
            match segments(&path).next() {
                Some(first) => self.filter.add(first),
                None => self.filter.add_all(),
            }
            let hash = Hash::EMPTY.update(&path).finish();
            let rehash = |(path, _): &(Box<[u8]>, _)| Hash::EMPTY.update(path).finish();
            self.table.insert_unique(hash, (path, rule), rehash);
        }
    }

    /// Returns the rule of the path that equals `path` or one of its ancestors; the shortest if
    /// several match.
    pub(crate) fn find_ancestor(&self, path: &[u8]) -> Option<usize> {
        if !self.may_contain(path) {
            return None;
        }
        let mut hash = Hash::EMPTY;
        let mut rest = segments(path);
        for depth in 0..=self.deepest {
            let found = self.find(hash, path, depth);
            if found.is_some() {
                return found;
            }
            hash = hash.push_segment(rest.next()?);
        }
        None
    }

    /// Returns the rule of the path that equals `path`.
    pub(super) fn find_exact(&self, path: &[u8]) -> Option<usize> {
        if !self.may_contain(path) {
            return None;
        }
        let mut hash = Hash::EMPTY;
        for (depth, segment) in segments(path).enumerate() {
            if depth == self.deepest {
                return None;
            }
            hash = hash.push_segment(segment);
        }
        self.find(hash, path, usize::MAX)
    }

    /// Returns `false` if `path` is certainly neither one of these paths nor below one.
    fn may_contain(&self, path: &[u8]) -> bool {
        let first = segments(path).next();
        let may_contain = |first| self.filter.may_contain(name::canonical(first));
        !self.is_empty() && first.is_none_or(may_contain)
    }

    fn find(&self, hash: Hash, path: &[u8], depth: usize) -> Option<usize> {
        let is_equal =
            |(known, _): &(Box<[u8]>, _)| is_spelled_by(known, segments(path).take(depth));
        self.table
            .find(hash.finish(), is_equal)
            .map(|(_, rule)| *rule)
    }
}

/// Paths without rules, all at index 0.
impl FromIterator<Box<[u8]>> for Paths {
    fn from_iter<I: IntoIterator<Item = Box<[u8]>>>(folded: I) -> Self {
        let mut paths = Self::default();
        folded.into_iter().for_each(|path| paths.add(path, 0));
        paths
    }
}

/// Returns `true` if `known` consists of `segments`.
fn is_spelled_by<'p>(known: &[u8], mut segments: impl Iterator<Item = &'p [u8]>) -> bool {
    let left = segments.try_fold(known, |known, segment| {
        let name = name::canonical(segment);
        let (head, left) = known.strip_prefix(b"/")?.split_at_checked(name.len())?;
        head.eq_ignore_ascii_case(name).then_some(left)
    });
    left.is_some_and(<[u8]>::is_empty)
}

fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|s| !s.is_empty())
}

// === impl Hash ===

impl Hash {
    const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    fn update(self, bytes: &[u8]) -> Self {
        let folded = bytes.iter().map(u8::to_ascii_lowercase);
        Self(folded.fold(self.0, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    fn push_segment(self, segment: &[u8]) -> Self {
        self.update(b"/").update(name::canonical(segment))
    }

    /// Mixes the bits, since the table uses both ends of the hash, and the low end of FNV is mixed
    /// better.
    const fn finish(self) -> u64 {
        self.0 ^ self.0.rotate_left(32)
    }
}
