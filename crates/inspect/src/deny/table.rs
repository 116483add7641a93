//! The names and paths of rules, found in a request whatever their case.
//!
//! Nothing is copied to be looked up: the hash folds each byte as it goes (FNV-1a), and what it finds
//! is compared as it stands. It needs no secret key: clients choose what is looked up, but what is
//! stored is the policy's.

use hashbrown::HashTable;

use super::{name, shape::Shapes};

/// Names, each with the first rule that holds it.
#[derive(Debug, Default)]
pub(super) struct Names {
    table: HashTable<(Box<[u8]>, usize)>,
    shapes: Shapes,
}

/// Paths as [`fold_path`] writes them, each with the first rule that holds it.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    table: HashTable<(Box<[u8]>, usize)>,
    /// Those of their first segments.
    shapes: Shapes,
    /// How many segments the deepest has.
    deepest: usize,
}

#[derive(Clone, Copy)]
struct Hash(u64);

/// A path as rules hold it: in lower case, its names plain, no slash at the end.
pub(super) fn fold_path(path: &[u8]) -> Box<[u8]> {
    let plain = segments(path).flat_map(|segment| [b"/", name::plain(segment)]);
    plain.flatten().map(u8::to_ascii_lowercase).collect()
}

// === impl Names ===

impl Names {
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(super) fn add(&mut self, name: &[u8], rule: usize) {
        if self.find(name).is_none() {
            self.shapes.add(name);
            let hash = Hash::EMPTY.with(name).finish();
            let again = |(name, _): &(Box<[u8]>, _)| Hash::EMPTY.with(name).finish();
            self.table.insert_unique(hash, (name.into(), rule), again);
        }
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        if !self.shapes.may_hold(name) {
            return None;
        }
        let hash = Hash::EMPTY.with(name).finish();
        let is_it = |(known, _): &(Box<[u8]>, _)| known.eq_ignore_ascii_case(name);
        self.table.find(hash, is_it).map(|(_, rule)| *rule)
    }
}

// === impl Paths ===

impl Paths {
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Adds a path that is folded already.
    pub(crate) fn add(&mut self, path: Box<[u8]>, rule: usize) {
        if self.equal(&path).is_none() {
            self.deepest = self.deepest.max(segments(&path).count());
            match segments(&path).next() {
                Some(first) => self.shapes.add(first),
                None => self.shapes.add_all(),
            }
            let hash = Hash::EMPTY.with(&path).finish();
            let again = |(path, _): &(Box<[u8]>, _)| Hash::EMPTY.with(path).finish();
            self.table.insert_unique(hash, (path, rule), again);
        }
    }

    /// The rule of the path that is `path`, or some segments from its beginning; the fewest, where
    /// several are.
    pub(crate) fn above(&self, path: &[u8]) -> Option<usize> {
        if !self.may_hold(path) {
            return None;
        }
        let mut hash = Hash::EMPTY;
        let mut below = segments(path);
        for depth in 0..=self.deepest {
            let found = self.find(hash, path, depth);
            if found.is_some() {
                return found;
            }
            hash = hash.below(below.next()?);
        }
        None
    }

    /// The rule of the path that is `path`.
    pub(super) fn equal(&self, path: &[u8]) -> Option<usize> {
        if !self.may_hold(path) {
            return None;
        }
        let mut hash = Hash::EMPTY;
        for (depth, segment) in segments(path).enumerate() {
            if depth == self.deepest {
                return None;
            }
            hash = hash.below(segment);
        }
        self.find(hash, path, usize::MAX)
    }

    /// Whether `path` may be one of them, or below one.
    fn may_hold(&self, path: &[u8]) -> bool {
        let first = segments(path).next();
        let may_hold = |first| self.shapes.may_hold(name::plain(first));
        !self.is_empty() && first.is_none_or(may_hold)
    }

    fn find(&self, hash: Hash, path: &[u8], depth: usize) -> Option<usize> {
        let is_it = |(known, _): &(Box<[u8]>, _)| spells(known, segments(path).take(depth));
        self.table.find(hash.finish(), is_it).map(|(_, rule)| *rule)
    }
}

/// Paths that nothing else is known of.
impl FromIterator<Box<[u8]>> for Paths {
    fn from_iter<I: IntoIterator<Item = Box<[u8]>>>(folded: I) -> Self {
        let mut paths = Self::default();
        folded.into_iter().for_each(|path| paths.add(path, 0));
        paths
    }
}

/// Whether `known` is what `segments` spell.
fn spells<'p>(known: &[u8], mut segments: impl Iterator<Item = &'p [u8]>) -> bool {
    let left = segments.try_fold(known, |known, segment| {
        let name = name::plain(segment);
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

    fn with(self, bytes: &[u8]) -> Self {
        let folded = bytes.iter().map(u8::to_ascii_lowercase);
        Self(folded.fold(self.0, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    fn below(self, segment: &[u8]) -> Self {
        self.with(b"/").with(name::plain(segment))
    }

    /// The table takes its bits from both ends; FNV's low end is the better mixed.
    const fn finish(self) -> u64 {
        self.0 ^ self.0.rotate_left(32)
    }
}
