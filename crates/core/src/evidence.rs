//! Bytes from clients: bounded and escaped.

use std::fmt::{self, Write as _};

/// Displays bytes as printable ASCII, with all other bytes escaped as `\xNN`.
///
/// Bytes from a client must not reach a terminal, a log or a page unescaped: escape sequences, line
/// ends and direction marks could forge its content. Backslash, double quote and backtick are escaped
/// too, so that the result is unambiguous inside quotes of either kind.
///
/// ```
/// use gabion_core::Escaped;
/// assert_eq!(Escaped(b"/\x1b[2J\"\n`").to_string(), r#"/\x1b[2J\x22\x0a\x60"#);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(
    /// The bytes to display.
    pub &'a [u8],
);

/// The bytes that a rule matched: the first [`Evidence::MAX_LEN`] of them, stored inline without an
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
                b'\\' | b'"' | b'`' | ..=0x1f | 0x7f.. => write!(f, "\\x{byte:02x}")?,
                plain => f.write_char(char::from(plain))?,
            }
        }
        Ok(())
    }
}

// === impl Evidence ===

impl Evidence {
    /// The maximum number of bytes kept. Longer evidence is cut and displayed with `…` at its end.
    pub const MAX_LEN: usize = 62;

    /// No bytes: the verdict is based on something else, such as an address.
    pub const NONE: Self = Self {
        bytes: [0; Self::MAX_LEN],
        len: 0,
        cut: false,
    };

    /// Keeps the first [`Evidence::MAX_LEN`] of `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        let mut kept = Self::NONE;
        for (slot, &byte) in kept.bytes.iter_mut().zip(bytes) {
            *slot = byte;
            kept.len += 1;
        }
        kept.cut = bytes.len() > Self::MAX_LEN;
        kept
    }

    /// The kept bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Returns `true` if no bytes are kept.
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
