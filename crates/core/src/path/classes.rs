//! Classes of the bytes and segments of a path.

/// A set of classes of bytes and segments: those that occur in one form of a path.
///
/// A condition on a path that needs a class is decided by one test if the class does not occur.
///
/// # Examples
///
/// ```
/// use gabion_core::{PathClasses, PathViews};
///
/// let path = PathViews::new(b"/list;sort=name");
/// assert!(path.classes().intersects(PathClasses::SEMICOLON));
/// assert!(!path.classes().intersects(PathClasses::PERCENT.union(PathClasses::BACKSLASH)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PathClasses(u16);

impl PathClasses {
    /// No class.
    pub const NONE: Self = Self(0);
    /// `%`.
    pub const PERCENT: Self = Self(1);
    /// `;`.
    pub const SEMICOLON: Self = Self(1 << 1);
    /// `\`.
    pub const BACKSLASH: Self = Self(1 << 2);
    /// NUL, which is a [control](Self::CONTROL), too.
    pub const NUL: Self = Self(1 << 3);
    /// A byte below 0x20, or 0x7f.
    pub const CONTROL: Self = Self(1 << 4);
    /// A blank.
    pub const BLANK: Self = Self(1 << 5);
    /// A byte above 0x7f.
    pub const NON_ASCII: Self = Self(1 << 6);
    /// One of `:`, `?` and `#`, at which some servers and file systems end a name.
    pub const NAME_END: Self = Self(1 << 7);
    /// One of `"<>{}` and the backtick, which browsers escape in a path (WHATWG URL, path
    /// percent-encode set). `^` is not: browsers before 2024 send it unchanged.
    pub const ESCAPED_BY_BROWSERS: Self = Self(1 << 8);
    /// A segment that ends with a dot, which may be a [dot segment](Self::DOT_SEGMENT).
    pub const TRAILING_DOT: Self = Self(1 << 9);
    /// A segment `.` or `..`.
    pub const DOT_SEGMENT: Self = Self(1 << 10);
    /// An empty segment before the last one, as in `//`.
    pub const EMPTY_SEGMENT: Self = Self(1 << 11);
    /// No `/` at the beginning.
    pub const UNROOTED: Self = Self(1 << 12);
    /// `?` or `#`, which end the path of a URL. It is a [name end](Self::NAME_END), too.
    pub const PATH_END: Self = Self(1 << 13);

    /// The set of the classes in either set.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns `true` if the sets have a class in common.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The classes of a byte.
    pub(super) fn of(byte: u8) -> Self {
        BYTES.get(usize::from(byte)).copied().unwrap_or_default()
    }
}

static BYTES: [PathClasses; 256] = {
    let mut classes = [PathClasses::NONE; 256];
    let mut rest = classes.as_mut_slice();
    let mut byte = 0;
    while let [class, tail @ ..] = rest {
        *class = classify(byte);
        byte = byte.wrapping_add(1);
        rest = tail;
    }
    classes
};

const fn classify(byte: u8) -> PathClasses {
    match byte {
        0 => PathClasses::NUL.union(PathClasses::CONTROL),
        1..=0x1f | 0x7f => PathClasses::CONTROL,
        b' ' => PathClasses::BLANK,
        0x80.. => PathClasses::NON_ASCII,
        b'%' => PathClasses::PERCENT,
        b';' => PathClasses::SEMICOLON,
        b'\\' => PathClasses::BACKSLASH,
        b':' => PathClasses::NAME_END,
        b'?' | b'#' => PathClasses::PATH_END.union(PathClasses::NAME_END),
        b'"' | b'<' | b'>' | b'`' | b'{' | b'}' => PathClasses::ESCAPED_BY_BROWSERS,
        _ => PathClasses::NONE,
    }
}
