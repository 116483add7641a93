//! One pass over the bytes of a path.

use super::PathClasses;
use crate::words::{self, HIGH_BITS, WORD};

/// The classes that occur in a path, and the positions of the slashes and dots in its first 64 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    classes: PathClasses,
    first: Marks,
}

/// The positions of the slashes and dots in a block of at most 64 bytes: bit `n` stands for byte `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) slashes: u64,
    pub(super) dots: u64,
}

// === impl Layout ===

impl Layout {
    /// The number of bytes whose slashes and dots are known.
    pub(super) const BLOCK: usize = 64;

    /// Passes over `path` once, eight bytes at a time.
    #[inline]
    pub(super) fn new(path: &[u8]) -> Self {
        let mut layout = Self::default();
        if path.first() != Some(&b'/') {
            layout.classes = PathClasses::UNROOTED;
        }
        let (first, rest) = path.split_at_checked(Self::BLOCK).unwrap_or((path, b""));
        layout.first = layout.add(first, Marks::default());
        let mut marks = layout.first;
        for block in rest.chunks(Self::BLOCK) {
            marks = layout.add(block, marks);
        }
        if path.last() == Some(&b'.') {
            layout.classes = layout.classes.union(PathClasses::TRAILING_DOT);
        }
        if layout.classes.intersects(PathClasses::TRAILING_DOT) {
            layout.classes = layout.classes.union(dot_segments(path));
        }
        layout
    }

    pub(super) const fn classes(&self) -> PathClasses {
        self.classes
    }

    /// Returns `true` if the path has none of these classes.
    pub(super) const fn lacks(&self, classes: PathClasses) -> bool {
        !self.classes.intersects(classes)
    }

    pub(super) const fn marks(&self) -> Marks {
        self.first
    }

    /// Adds the classes of a block, and returns its marks. The marks of the block before it show what
    /// its first byte follows.
    #[inline]
    fn add(&mut self, block: &[u8], before: Marks) -> Marks {
        let (mut classes, mut marks) = (self.classes, Marks::default());
        let mut add = |word| {
            if !is_plain(word) {
                let each = word.to_le_bytes().into_iter().map(PathClasses::of);
                classes = each.fold(classes, PathClasses::union);
            }
            marks.push(word);
        };
        let (words, rest) = block.as_chunks();
        for word in words {
            add(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            add(words::last_word(block, rest));
        }
        let words = words.len().saturating_add(usize::from(!rest.is_empty()));
        let marks = marks.aligned(words);
        let slashes_before = marks.slashes << 1 | before.slashes >> 63;
        let dots_before = marks.dots << 1 | before.dots >> 63;
        if marks.slashes & slashes_before != 0 {
            classes = classes.union(PathClasses::EMPTY_SEGMENT);
        }
        if marks.slashes & dots_before != 0 {
            classes = classes.union(PathClasses::TRAILING_DOT);
        }
        self.classes = classes;
        marks
    }
}

/// Returns the classes of the dot segments of a path. Linear in its length.
#[cold]
fn dot_segments(path: &[u8]) -> PathClasses {
    let (mut classes, mut depth) = (PathClasses::NONE, 0_usize);
    for segment in path.split(|&byte| byte == b'/') {
        match segment {
            b"" => {}
            b"." => classes = classes.union(PathClasses::DOT_SEGMENT),
            b".." => {
                classes = classes.union(PathClasses::DOT_SEGMENT);
                if depth == 0 {
                    classes = classes.union(PathClasses::ABOVE_ROOT);
                }
                depth = depth.saturating_sub(1);
            }
            _ => depth = depth.saturating_add(1),
        }
    }
    classes
}

// === impl Marks ===

impl Marks {
    /// Adds the marks of eight bytes at the upper end, and moves the others down.
    #[inline]
    const fn push(&mut self, word: u64) {
        let both = slashes_and_dots(word);
        // The lowest bit tells `/` (0x2f) from `.` (0x2e).
        let slashes = both & word << 7;
        self.slashes = self.slashes >> WORD | gather(slashes);
        self.dots = self.dots >> WORD | gather(both ^ slashes);
    }

    /// Moves the marks of `words` words down to the first bit.
    #[inline]
    fn aligned(self, words: usize) -> Self {
        let words = u32::try_from(words).unwrap_or_default();
        let bits = u64::BITS.saturating_sub(words.saturating_mul(u8::BITS));
        Self {
            slashes: self.slashes.unbounded_shr(bits),
            dots: self.dots.unbounded_shr(bits),
        }
    }
}

// === words ===

/// Returns `true` if all eight bytes are letters, digits, `-`, `.` or `/`, which have no class.
const fn is_plain(word: u64) -> bool {
    let bits = word & !HIGH_BITS;
    let letters = words::in_range(bits | words::repeat(0x20), b'a', b'z');
    (words::in_range(bits, b'-', b'9') | letters) & !word & HIGH_BITS == HIGH_BITS
}

/// Sets the highest bit of each byte that is `/` or `.`, and clears all others.
const fn slashes_and_dots(word: u64) -> u64 {
    // They differ in their lowest bit only.
    words::zeros((word | words::repeat(1)) ^ words::repeat(b'/'))
}

/// Gathers the highest bits of the eight bytes in the highest byte, that of the first byte lowest.
const fn gather(high_bits: u64) -> u64 {
    // Each bit of the factor moves one of the bits to its place: the first by 49, the next by 42.
    high_bits.wrapping_mul(0x0002_0408_1020_4081) & 0xff << 56
}
