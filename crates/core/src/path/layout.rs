//! One pass over the bytes of a path.

use super::PathClasses;
use crate::words::{self, HIGH_BITS, WORD};

/// The classes that occur in a path, and the marks of its first block.
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
    /// Passes over `path` once, eight bytes at a time.
    #[inline]
    pub(super) fn new(path: &[u8]) -> Self {
        let mut layout = Self::default();
        if path.first() != Some(&b'/') {
            layout.add(PathClasses::UNROOTED);
        }
        let (first, rest) = path.split_at_checked(Marks::BLOCK).unwrap_or((path, b""));
        layout.first = layout.block(first, Marks::BEFORE_PATH);
        let mut marks = layout.first;
        for block in rest.chunks(Marks::BLOCK) {
            marks = layout.block(block, marks);
        }
        if let [.., b'.'] = path {
            layout.add_last_dots(path);
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

    /// Adds the classes of a block, which follows a block with the marks `before`. Returns its marks.
    #[inline]
    fn block(&mut self, block: &[u8], before: Marks) -> Marks {
        let mut classes = self.classes;
        let marks = Marks::new(block, |word| {
            if !is_plain(word) {
                let each = word.to_le_bytes().into_iter().map(PathClasses::of);
                classes = each.fold(classes, PathClasses::union);
            }
        });
        self.classes = classes;
        let slash = |back: u32| shifted(marks.slashes, before.slashes, back);
        let dot = |back: u32| shifted(marks.dots, before.dots, back);
        let after_slash = if before == Marks::BEFORE_PATH {
            slash(1) & !1
        } else {
            slash(1)
        };
        if marks.slashes & after_slash != 0 {
            self.add(PathClasses::EMPTY_SEGMENT);
        }
        if marks.slashes & dot(1) != 0 {
            self.add(PathClasses::TRAILING_DOT);
            if marks.slashes & dot(1) & (slash(2) | dot(2) & slash(3)) != 0 {
                self.add(PathClasses::DOT_SEGMENT);
            }
        }
        marks
    }

    /// Adds the classes of the last segment, which ends with a dot.
    #[cold]
    fn add_last_dots(&mut self, path: &[u8]) {
        self.add(PathClasses::TRAILING_DOT);
        let last = path.rsplit(|&byte| byte == b'/').next();
        if let Some(b"." | b"..") = last {
            self.add(PathClasses::DOT_SEGMENT);
        }
    }

    const fn add(&mut self, classes: PathClasses) {
        self.classes = self.classes.union(classes);
    }
}

// === impl Marks ===

impl Marks {
    /// The largest number of bytes in a block.
    pub(super) const BLOCK: usize = 64;

    /// A segment begins at the beginning of a path, as after a slash. No block has these marks: its first
    /// byte is not both a slash and a dot.
    const BEFORE_PATH: Self = Self {
        slashes: 1 << 63 | 1,
        dots: 1,
    };

    /// Marks a block, and calls `see` with each of its words. Letters fill up the last word.
    #[inline]
    pub(super) fn new(block: &[u8], mut see: impl FnMut(u64)) -> Self {
        let mut marks = Self::default();
        let (words, rest) = block.as_chunks();
        for word in words {
            let word = u64::from_le_bytes(*word);
            see(word);
            marks.push(word);
        }
        let mut count = words.len();
        if !rest.is_empty() {
            let word = words::last_word(block, rest);
            see(word);
            marks.push(word);
            count = count.saturating_add(1);
        }
        marks.aligned(count)
    }

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

/// Returns the marks of the bytes that are `back` bytes before each byte of a block.
const fn shifted(marks: u64, before: u64, back: u32) -> u64 {
    marks << back | before >> (u64::BITS - back)
}

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
