//! Sets of path prefixes.

use std::fmt;

use hashbrown::HashTable;

use super::{NameFilter, PathViews, Segment, View, name};

/// A set of path prefixes, each with a value of the caller, such as the index of a rule.
///
/// A path lies below a prefix by segment: `/public` contains `/public/x` but not `/publicity`.
/// Segments are compared by their [canonical names](super::Segment::canonical_name) and without
/// ASCII case, as the most tolerant servers and file systems compare them: `/Public.;v=1/x` lies
/// below `/public`. So a rule that restricts what it matches applies to every spelling.
///
/// A lookup copies nothing. Its hash function lowers the case of each byte (FNV-1a), and needs no
/// secret seed: clients choose the keys of lookups, but only the policy chooses the stored keys.
///
/// # Cost
///
/// Two loads for most paths that lie below none of the prefixes ([`NameFilter`]); else one hash lookup
/// per segment, up to the number of segments of the longest prefix.
///
/// # Examples
///
/// ```
/// use gabion_core::{PathPrefixes, PathViews};
///
/// let private: PathPrefixes = ["/admin", "/intern/api"].into_iter().collect();
/// let contains = |path: &[u8]| private.contain_any(&PathViews::new(path));
/// assert!(contains(b"/ADMIN/users"));
/// assert!(contains(b"/x/%2e%2e/intern./api;v=1"));
/// assert!(!contains(b"/administrators"));
/// ```
#[derive(Clone, Default)]
pub struct PathPrefixes {
    /// The prefixes in the form of [`Self::fold`], each with its value.
    prefixes: Vec<(Box<[u8]>, usize)>,
    /// Indices of `prefixes`, by the hash of the prefix.
    table: HashTable<usize>,
    first_segments: NameFilter,
    /// The largest number of segments of a prefix.
    deepest: usize,
}

#[derive(Clone, Copy)]
struct Hash(u64);

// === impl PathPrefixes ===

impl PathPrefixes {
    /// Converts a path to the form in which prefixes are compared: canonical names in lower case, and
    /// no slash at the end.
    pub fn fold(path: &[u8]) -> Box<[u8]> {
        let mut folded = Vec::with_capacity(path.len());
        for segment in segments(path) {
            folded.push(b'/');
            folded.extend_from_slice(name::canonical(segment));
        }
        folded.make_ascii_lowercase();
        folded.into()
    }

    /// Returns `true` if there is no prefix.
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// The first segments of the prefixes.
    pub const fn first_segments(&self) -> &NameFilter {
        &self.first_segments
    }

    /// Adds a prefix with its value. A prefix that is in the set already keeps its value.
    ///
    /// The empty path and `/` contain every path.
    pub fn add(&mut self, prefix: &[u8], value: usize) {
        let folded = Self::fold(prefix);
        let hash = Hash::of(&folded);
        let is_known = |known: &usize| {
            self.prefixes
                .get(*known)
                .is_some_and(|(path, _)| *path == folded)
        };
        if self.table.find(hash, is_known).is_some() {
            return;
        }
        match segments(&folded).next() {
            Some(first) => self.first_segments.add(first),
            None => self.first_segments.add_all(),
        }
        self.deepest = self.deepest.max(segments(&folded).count());
        let index = self.prefixes.len();
        self.prefixes.push((folded, value));
        let rehash = |index: &usize| {
            self.prefixes
                .get(*index)
                .map_or(0, |(path, _)| Hash::of(path))
        };
        self.table.insert_unique(hash, index, rehash);
    }

    /// Iterates over the prefixes in the form of [`Self::fold`], in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.prefixes.iter().map(|(path, _)| &**path)
    }

    /// Iterates over the values of the prefixes that contain `view`, the shortest prefix first.
    #[inline]
    pub fn containing<'p>(&'p self, view: View<'p>) -> impl Iterator<Item = usize> + 'p {
        let may_contain = self.may_contain(view);
        may_contain
            .then(|| self.find_containing(view))
            .into_iter()
            .flatten()
    }

    /// Returns the value of the prefix that equals `view`.
    #[inline]
    pub fn equal(&self, view: View<'_>) -> Option<usize> {
        if !self.may_contain(view) {
            return None;
        }
        let mut hash = Hash::EMPTY;
        for (depth, segment) in view.segments().enumerate() {
            if depth == self.deepest {
                return None;
            }
            hash = hash.push(segment.canonical_name());
        }
        self.find(hash, view, usize::MAX)
    }

    /// Returns `true` if a prefix contains any view of the path. A path of which some views are not
    /// known ([`PathViews::is_incomplete`]) may lie below any prefix.
    pub fn contain_any(&self, path: &PathViews<'_>) -> bool {
        let contain = |view: View<'_>| self.containing(view).next().is_some();
        !self.is_empty() && (path.is_incomplete() || path.iter().any(contain))
    }

    /// Returns `false` if `view` certainly neither equals a prefix nor lies below one.
    #[inline]
    fn may_contain(&self, view: View<'_>) -> bool {
        if self.is_empty() {
            return false;
        }
        let first = view.segments().next();
        let may_begin = |name| self.first_segments.may_contain(name);
        first.is_none_or(|first| may_begin(first.canonical_name()))
    }

    fn find_containing<'p>(&'p self, view: View<'p>) -> impl Iterator<Item = usize> + 'p {
        let mut rest = view.segments();
        let mut next = Some(Hash::EMPTY);
        let found = (0..=self.deepest).map_while(move |depth| {
            let hash = next?;
            next = rest
                .next()
                .map(|segment| hash.push(segment.canonical_name()));
            Some(self.find(hash, view, depth))
        });
        found.flatten()
    }

    /// Returns the value of the prefix that consists of the first `depth` segments of `view`.
    fn find(&self, hash: Hash, view: View<'_>, depth: usize) -> Option<usize> {
        let is_equal = |index: &usize| {
            let prefix = self.prefixes.get(*index);
            prefix.is_some_and(|(path, _)| consists_of(path, view.segments().take(depth)))
        };
        let index = self.table.find(hash.finish(), is_equal)?;
        self.prefixes.get(*index).map(|(_, value)| *value)
    }
}

/// Prefixes with the value 0.
impl<P: AsRef<[u8]>> FromIterator<P> for PathPrefixes {
    fn from_iter<I: IntoIterator<Item = P>>(paths: I) -> Self {
        let mut prefixes = Self::default();
        for path in paths {
            prefixes.add(path.as_ref(), 0);
        }
        prefixes
    }
}

/// Sets with the same prefixes and values in the same order are equal.
impl PartialEq for PathPrefixes {
    fn eq(&self, other: &Self) -> bool {
        self.prefixes == other.prefixes
    }
}

impl Eq for PathPrefixes {}

impl fmt::Debug for PathPrefixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self
            .prefixes
            .iter()
            .map(|(path, value)| (path.escape_ascii().to_string(), value));
        f.debug_map().entries(shown).finish()
    }
}

/// Returns `true` if `folded` consists of the names of `segments`.
fn consists_of<'p>(folded: &[u8], mut segments: impl Iterator<Item = Segment<'p>>) -> bool {
    let left = segments.try_fold(folded, |folded, segment| {
        let name = segment.canonical_name();
        let (head, left) = folded.strip_prefix(b"/")?.split_at_checked(name.len())?;
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

    /// The hash of a path in the form of [`PathPrefixes::fold`].
    fn of(folded: &[u8]) -> u64 {
        let names = segments(folded);
        names.fold(Self::EMPTY, Self::push).finish()
    }

    fn push(self, name: &[u8]) -> Self {
        let bytes = b"/".iter().chain(name);
        Self(bytes.fold(self.0, |hash, byte| {
            (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// Mixes the bits, since the table uses both ends of the hash, and the low end of FNV is mixed
    /// better.
    const fn finish(self) -> u64 {
        self.0 ^ self.0.rotate_left(32)
    }
}
