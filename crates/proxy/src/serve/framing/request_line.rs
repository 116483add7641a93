//! The first line of a request head.

use gabion_core::UnparsableEvent;
use memchr::memchr;

/// The first line of the latest head, up to [`UnparsableEvent::MAX_LINE`] bytes.
#[derive(Debug, Default)]
pub(super) struct RequestLine {
    /// Allocated with the first head, at its final size.
    bytes: Vec<u8>,
    /// The number of heads before it on the connection.
    number: usize,
}

// === impl RequestLine ===

impl RequestLine {
    /// Replaces the line by that of head `number`, which begins with `bytes`. Returns `true` if its end
    /// is missing.
    pub(super) fn restart(&mut self, number: usize, bytes: &[u8]) -> bool {
        self.number = number;
        self.bytes.clear();
        self.bytes.reserve_exact(UnparsableEvent::MAX_LINE);
        self.append(bytes)
    }

    /// Adds the next bytes of the head, up to the line's end. Returns `true` if that is missing.
    pub(super) fn append(&mut self, bytes: &[u8]) -> bool {
        let space = UnparsableEvent::MAX_LINE - self.bytes.len();
        let bytes = &bytes[..bytes.len().min(space)];
        let end = memchr(b'\n', bytes);
        self.bytes
            .extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        end.is_none() && self.bytes.len() < UnparsableEvent::MAX_LINE
    }

    /// The line of head `number`, without its end; empty if the latest head is another one.
    pub(super) fn of_head(&self, number: usize) -> &[u8] {
        if self.number != number {
            return &[];
        }
        self.bytes.strip_suffix(b"\r").unwrap_or(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_at_its_end_or_at_the_capacity() {
        let mut line = RequestLine::default();
        assert_eq!(line.of_head(0), b"");
        assert!(!line.restart(0, b"GET / HTTP/1.1\r\nCookie: secret\r\n"));
        assert_eq!(line.of_head(0), b"GET / HTTP/1.1");
        assert_eq!(line.of_head(1), b"", "not that of another head");

        assert!(line.restart(1, b"GET "));
        assert!(line.append(b"/a HTT"));
        assert!(!line.append(b"P/1.1\nCookie: secret"));
        assert_eq!(line.of_head(1), b"GET /a HTTP/1.1");

        assert!(line.restart(2, &[b'x'; 255]));
        assert!(!line.append(b"yz"), "no more room");
        assert_eq!(line.of_head(2), [&[b'x'; 255][..], b"y"].concat());
    }
}
