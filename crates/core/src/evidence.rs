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

/// Displays a request target, or the first line of a request, with `…` for each value of the query,
/// for the fragment, and for userinfo; the rest like [`Escaped`].
///
/// Such values can be passwords, tokens and personal data, which must not reach a log. A parameter
/// without `=` is a value. The bytes that a rule matched are kept in [`Evidence`].
///
/// ```
/// use gabion_core::Redacted;
///
/// let target = b"/reset?token=5ecret&lang=";
/// assert_eq!(Redacted(target).to_string(), "/reset?token=…&lang=");
/// let line = b"GET http://me:pa55@a.example/?5ecret HTTP/1.1";
/// assert_eq!(Redacted(line).to_string(), "GET http://…@a.example/?… HTTP/1.1");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Redacted<'a>(
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
        let is_escaped = |byte: &u8| matches!(byte, b'\\' | b'"' | b'`' | ..=0x1f | 0x7f..);
        let mut rest = self.0;
        while !rest.is_empty() {
            let end = rest.iter().position(is_escaped).unwrap_or(rest.len());
            let (plain, others) = rest.split_at(end);
            // Plain bytes are ASCII.
            f.write_str(str::from_utf8(plain).unwrap_or_default())?;
            rest = others;
            if let Some((byte, others)) = others.split_first() {
                write!(f, "\\x{byte:02x}")?;
                rest = others;
            }
        }
        Ok(())
    }
}

// === impl Redacted ===

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (target, version) = split_version(self.0);
        let query = target.iter().position(|byte| matches!(byte, b'?' | b'#'));
        let (path, query) = target.split_at(query.unwrap_or(target.len()));
        write_path(f, path)?;
        if let Some((mark, pairs)) = query.split_first() {
            f.write_char(char::from(*mark))?;
            write_pairs(f, pairs)?;
        }
        write!(f, "{}", Escaped(version))
    }
}

/// Splits off the ` HTTP/1.1` at the end of a request line.
fn split_version(line: &[u8]) -> (&[u8], &[u8]) {
    const VERSION: usize = b" HTTP/1.1".len();
    match line.split_at_checked(line.len().saturating_sub(VERSION)) {
        Some((target, version)) if version.starts_with(b" HTTP/") => (target, version),
        _ => (line, b""),
    }
}

/// Writes a path, or a URL without its query, with `…` for userinfo: what is between `//` and an `@`
/// in the same segment.
fn write_path(f: &mut fmt::Formatter<'_>, path: &[u8]) -> fmt::Result {
    let mut after_empty_segment = false;
    for (nth, segment) in path.split(|&byte| byte == b'/').enumerate() {
        f.write_str(if nth == 0 { "" } else { "/" })?;
        let at = segment.iter().rposition(|&byte| byte == b'@');
        match at.and_then(|at| segment.split_at_checked(at)) {
            Some((userinfo, host)) if after_empty_segment && !userinfo.is_empty() => {
                write!(f, "…{}", Escaped(host))
            }
            _ => write!(f, "{}", Escaped(segment)),
        }?;
        after_empty_segment = nth > 0 && segment.is_empty();
    }
    Ok(())
}

/// Writes the names of a query's parameters, with `…` for each value that is not empty.
fn write_pairs(f: &mut fmt::Formatter<'_>, pairs: &[u8]) -> fmt::Result {
    for (nth, pair) in pairs.split(|&byte| byte == b'&').enumerate() {
        f.write_str(if nth == 0 { "" } else { "&" })?;
        // The end of the name, with its `=`.
        let value = pair
            .iter()
            .position(|&byte| byte == b'=')
            .map_or(0, |at| at + 1);
        let (name, value) = pair.split_at(value);
        write!(f, "{}", Escaped(name))?;
        f.write_str(if value.is_empty() { "" } else { "…" })?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_query_and_userinfo_are_redacted() {
        for (target, expected) in [
            ("/", "/"),
            ("/a?", "/a?"),
            ("/a?b=&c", "/a?b=&…"),
            ("/a?b=1&c=2=3?d=4;e=5#f", "/a?b=…&c=…"),
            ("/a?&&b=c", "/a?&&b=…"),
            ("/a#token=x", "/a#token=…"),
            ("/@me/x@y", "/@me/x@y"),
            ("//me:pa55@host/x", "//…@host/x"),
            ("//@host", "//@host"),
            ("/to/http://me:p@55@host:1/?x", "/to/http://…@host:1/?…"),
            ("/a?b=\"c", "/a?b=…"),
            ("/a?b\"=c", "/a?b\\x22=…"),
            ("GET /a?b=c d=e HTTP/1.1", "GET /a?b=… HTTP/1.1"),
            ("GET /a?b=c HTTP/secret", "GET /a?b=…"),
        ] {
            assert_eq!(
                Redacted(target.as_bytes()).to_string(),
                expected,
                "{target}"
            );
        }
    }
}
