//! Bytes that a stranger sent, kept short and shown escaped.

use std::fmt::{self, Write as _};

/// Shows bytes with everything but plain ASCII escaped as `\xNN`.
///
/// What a stranger sent must not reach a terminal, a log or a page as it came: escape sequences,
/// line ends and direction marks would let it forge them. Backslash and double quote are escaped
/// too, so that the shown form is unambiguous inside quotes.
///
/// ```
/// use gabion_core::Escaped;
/// assert_eq!(Escaped(b"/\x1b[2J\"\n").to_string(), r#"/\x1b[2J\x22\x0a"#);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(
    /// The bytes to show.
    pub &'a [u8],
);

/// The bytes that made a rule match: at most [`Evidence::MAX_LEN`] of them, owned, without an
/// allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
    cut: bool,
}

// === impl Escaped ===

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0 {
            match byte {
                b'\\' | b'"' | ..=0x1f | 0x7f.. => write!(f, "\\x{byte:02x}")?,
                plain => f.write_char(char::from(plain))?,
            }
        }
        Ok(())
    }
}

// === impl Evidence ===

impl Evidence {
    /// How many bytes are kept; what is longer is cut, and shown with `…`.
    pub const MAX_LEN: usize = 62;

    /// No bytes: the verdict rests on something else, such as an address.
    pub const NONE: Self = Self {
        bytes: [0; Self::MAX_LEN],
        len: 0,
        cut: false,
    };

    /// Keeps the head of `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        let mut kept = Self::NONE;
        for (slot, &byte) in kept.bytes.iter_mut().zip(bytes) {
            *slot = byte;
            kept.len += 1;
        }
        kept.cut = bytes.len() > Self::MAX_LEN;
        kept
    }

    /// The bytes that were kept.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether nothing was kept.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Escaped(self.as_bytes()))?;
        f.write_str(if self.cut { "…" } else { "" })
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}
