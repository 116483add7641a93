//! Keeps step with hyper, from one request's head to the next.
//!
//! It holds no bytes: of a head it remembers which two names stood in it, and a length. What it
//! reads is the grammar that hyper takes (httparse for heads, `proto/h1/decode.rs` for chunks),
//! where a line of a head ends with LF, CR before it or not, and one of a chunked body with CRLF
//! only.

use std::sync::Arc;

use gabion_core::Framing;
use memchr::memchr;

use super::Notes;

const LENGTH: &[u8] = b"content-length";
const CODING: &[u8] = b"transfer-encoding";

/// Looks at each byte once, and notes each head.
#[derive(Debug)]
pub(super) struct Follower {
    notes: Arc<Notes>,
    at: At,
    head: Head,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug)]
enum At {
    /// Empty lines before a head, or its first byte.
    Between,
    /// The first byte of a header's line, or the end of the head.
    Line,
    /// A name that begins like one of the two, and how much of it was read.
    Name(&'static [u8], usize),
    /// The value of `Content-Length`.
    Length,
    /// What is left of a line that says nothing more.
    Rest,
    /// The LF of the empty line that ends a head.
    HeadEnd,
    /// So many bytes.
    Body(u64),
    /// The size of a chunk, as far as it was read.
    Size(u64),
    /// What is left of the line of such a size.
    SizeRest(u64),
    /// The LF of that line.
    SizeEnd(u64),
    /// So many bytes of a chunk, and the line end after them.
    Chunk(u64),
    /// The first byte of a trailer, or the end of the body.
    Trailer,
    /// What is left of a trailer's line, which a bare LF does not end.
    TrailerRest,
    /// The LF of that line.
    TrailerEnd,
    /// The LF of the empty line that ends a chunked body.
    BodyEnd,
    /// Nothing that hyper takes for a request, or nothing after a head that was the last.
    Lost,
}

/// What a head said of its body's length.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    length: Option<u64>,
    is_coded: bool,
}

// === impl Follower ===

impl Follower {
    pub(super) fn new(notes: Arc<Notes>) -> Self {
        Self {
            notes,
            at: At::Between,
            head: Head::default(),
        }
    }

    /// Looks at what is read next.
    pub(super) fn see(&mut self, mut bytes: &[u8]) {
        if self.notes.is_ended() {
            self.at = At::Lost;
        }
        while !bytes.is_empty() && !matches!(self.at, At::Lost) {
            let seen = match self.at {
                At::Rest => self.skip_to(b'\n', At::Line, bytes),
                At::SizeRest(size) => self.skip_to(b'\r', At::SizeEnd(size), bytes),
                At::TrailerRest => self.skip_to(b'\r', At::TrailerEnd, bytes),
                At::Body(left) => self.skip(left, At::Body, At::Between, bytes),
                At::Chunk(left) => self.skip(left, At::Chunk, At::Size(0), bytes),
                _ => {
                    self.at = self.step(bytes[0]);
                    1
                }
            };
            bytes = &bytes[seen..];
        }
    }

    #[cfg(test)]
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.at, At::Lost)
    }

    fn skip_to(&mut self, mark: u8, then: At, bytes: &[u8]) -> usize {
        match memchr(mark, bytes) {
            Some(end) => {
                self.at = then;
                end + 1
            }
            None => bytes.len(),
        }
    }

    fn skip(&mut self, left: u64, within: fn(u64) -> At, then: At, bytes: &[u8]) -> usize {
        let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.at = match left - here as u64 {
            0 => then,
            left => within(left),
        };
        here
    }

    fn step(&mut self, byte: u8) -> At {
        match (self.at, byte) {
            (At::Between, b'\r' | b'\n') | (At::BodyEnd, b'\n') => At::Between,
            (At::Line, b'\r') => At::HeadEnd,
            (At::Line | At::HeadEnd, b'\n') => self.end_head(),
            (At::Line, b'c' | b'C') => At::Name(LENGTH, 1),
            (At::Line, b't' | b'T') => At::Name(CODING, 1),
            (At::Between | At::Line, _) if is_token(byte) => At::Rest,
            (At::Name(name, read), _) => self.read_name(name, read, byte),
            (At::Length, b'\n') => At::Line,
            (At::Length, _) => self.read_length(byte),
            (At::Size(size), _) => read_size(size, byte),
            (At::SizeEnd(0) | At::TrailerEnd, b'\n') => At::Trailer,
            // The CRLF after a chunk is as much to skip.
            (At::SizeEnd(size), b'\n') => At::Chunk(size.saturating_add(2)),
            (At::Trailer, b'\r') => At::BodyEnd,
            (At::Trailer, _) => At::TrailerRest,
            _ => At::Lost,
        }
    }

    fn read_name(&mut self, name: &'static [u8], read: usize, byte: u8) -> At {
        match name.get(read) {
            Some(expected) if byte.eq_ignore_ascii_case(expected) => At::Name(name, read + 1),
            None if byte == b':' && name == LENGTH => {
                self.head.length = Some(0);
                At::Length
            }
            None if byte == b':' => {
                self.head.is_coded = true;
                At::Rest
            }
            _ if byte == b'\n' => At::Line,
            _ => At::Rest,
        }
    }

    /// White space stands around the digits; hyper takes nothing else, nor two lengths that differ.
    fn read_length(&mut self, byte: u8) -> At {
        if byte.is_ascii_digit() {
            let read = self.head.length.unwrap_or_default();
            let read = read
                .saturating_mul(10)
                .saturating_add(u64::from(byte - b'0'));
            self.head.length = Some(read);
        }
        At::Length
    }

    fn end_head(&mut self) -> At {
        let head = std::mem::take(&mut self.head);
        let framing = head.framing();
        self.notes.add(framing);
        match head {
            _ if framing != Framing::AsShown => At::Lost,
            Head { is_coded: true, .. } => At::Size(0),
            Head {
                length: Some(1..), ..
            } => At::Body(head.length.unwrap_or_default()),
            _ => At::Between,
        }
    }
}

/// Where a size that is read digit by digit goes on. hyper sees to it that there is a digit, and that
/// a `u64` holds them all.
fn read_size(size: u64, byte: u8) -> At {
    let digit = match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        b'\r' => return At::SizeEnd(size),
        _ => return At::SizeRest(size),
    };
    At::Size(size.saturating_mul(16).saturating_add(digit.into()))
}

/// RFC 9110, 5.6.2. A WebSocket's frame and HTTP/2's begin with something else.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

// === impl Head ===

impl Head {
    fn framing(self) -> Framing {
        if self.is_coded && self.length.is_some() {
            Framing::Both
        } else {
            Framing::AsShown
        }
    }
}
