//! The head of a request from raw bytes.

use gabion::inspect::Escaped;

use super::Described;

/// The bytes that the parser refuses.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct ParseError {
    /// The offset of the first byte that makes the head invalid; the length if the head is incomplete.
    pub(super) offset: usize,
    pub(super) error: String,
}

/// The most header lines, as the guard accepts.
const MAX_LINES: usize = 100;

/// Parses the head of an HTTP/1.1 request with the parser of the guard.
pub(super) fn parse(bytes: &[u8]) -> Result<Described, ParseError> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_LINES];
    let mut head = httparse::Request::new(&mut lines);
    match head.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => {
            return Err(ParseError {
                offset: bytes.len(),
                error: "incomplete: no empty line ends the head".to_owned(),
            });
        }
        Err(error) => {
            let offset = first_refused(bytes);
            let byte = bytes.get(offset..=offset).unwrap_or_default();
            return Err(ParseError {
                offset,
                error: format!("{error} (byte `{}`)", Escaped(byte)),
            });
        }
    }
    let lines = head.headers.iter();
    Ok(Described {
        method: head.method.unwrap_or_default().to_owned(),
        target: head.path.unwrap_or_default().to_owned(),
        version: if head.version == Some(0) {
            "1.0"
        } else {
            "1.1"
        },
        lines: lines
            .map(|line| (line.name.to_owned(), line.value.to_vec()))
            .collect(),
    })
}

/// The offset of the last byte of the shortest refused prefix. A longer prefix is refused, too.
fn first_refused(bytes: &[u8]) -> usize {
    let is_refused = |end: usize| {
        let mut lines = [httparse::EMPTY_HEADER; MAX_LINES];
        let prefix = bytes.get(..end).unwrap_or_default();
        httparse::Request::new(&mut lines).parse(prefix).is_err()
    };
    let (mut accepted, mut refused) = (0, bytes.len());
    while refused - accepted > 1 {
        let middle = usize::midpoint(accepted, refused);
        if is_refused(middle) {
            refused = middle;
        } else {
            accepted = middle;
        }
    }
    refused.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_refused_byte_is_found() {
        for (head, offset) in [
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 20),
            ("GET /\x01 HTTP/1.1\r\n\r\n", 5),
            ("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 20),
        ] {
            let error = parse(head.as_bytes()).err().unwrap();
            assert_eq!(error.offset, offset, "{head:?}: {}", error.error);
        }
    }

    #[test]
    fn a_head_without_end_is_incomplete() {
        let error = parse(b"GET / HTTP/1.1\r\nHost: a\r\n").err().unwrap();
        assert_eq!(error.offset, 25);
        assert!(error.error.starts_with("incomplete"), "{}", error.error);
    }
}
