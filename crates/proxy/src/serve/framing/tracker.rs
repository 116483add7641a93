//! Keeps step with hyper, from one request's head to the next.
//!
//! It holds no bytes: of a head it remembers which two names stood in it, and a length. What it
//! reads is the grammar that hyper takes (httparse for heads, `proto/h1/decode.rs` for chunks),
//! where a line of a head ends with LF, CR before it or not, and one of a chunked body with CRLF
//! only.

use std::sync::Arc;

use gabion_core::Framing;
use memchr::memchr;

use super::FramingQueue;

const LENGTH: &[u8] = b"content-length";
const CODING: &[u8] = b"transfer-encoding";

/// Looks at each byte once, and notes each head.
#[derive(Debug)]
pub(super) struct FramingTracker {
    queue: Arc<FramingQueue>,
    state: State,
    head: LengthHeaders,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Empty lines before a head, or its first byte.
    BeforeHead,
    /// The first byte of a header's line, or the end of the head.
    Line,
    /// A name that begins like one of the two, and how much of it was read.
    Name(&'static [u8], usize),
    /// The value of `Content-Length`.
    Length,
    /// What is left of a line that says nothing more.
    LineRest,
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
struct LengthHeaders {
    length: Option<u64>,
    is_coded: bool,
}

// === impl FramingTracker ===

impl FramingTracker {
    pub(super) fn new(queue: Arc<FramingQueue>) -> Self {
        Self {
            queue,
            state: State::BeforeHead,
            head: LengthHeaders::default(),
        }
    }

    /// Looks at what is read next.
    pub(super) fn scan(&mut self, mut bytes: &[u8]) {
        if self.queue.is_stopped() {
            self.state = State::Lost;
        }
        while !bytes.is_empty() && !matches!(self.state, State::Lost) {
            let seen = match self.state {
                State::LineRest => self.skip_to(b'\n', State::Line, bytes),
                State::SizeRest(size) => self.skip_to(b'\r', State::SizeEnd(size), bytes),
                State::TrailerRest => self.skip_to(b'\r', State::TrailerEnd, bytes),
                State::Body(left) => self.skip(left, State::Body, State::BeforeHead, bytes),
                State::Chunk(left) => self.skip(left, State::Chunk, State::Size(0), bytes),
                _ => {
                    self.state = self.next_state(bytes[0]);
                    1
                }
            };
            bytes = &bytes[seen..];
        }
    }

    #[cfg(test)]
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost)
    }

    fn skip_to(&mut self, mark: u8, then: State, bytes: &[u8]) -> usize {
        match memchr(mark, bytes) {
            Some(end) => {
                self.state = then;
                end + 1
            }
            None => bytes.len(),
        }
    }

    fn skip(&mut self, left: u64, within: fn(u64) -> State, then: State, bytes: &[u8]) -> usize {
        let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.state = match left - here as u64 {
            0 => then,
            left => within(left),
        };
        here
    }

    fn next_state(&mut self, byte: u8) -> State {
        match (self.state, byte) {
            (State::BeforeHead, b'\r' | b'\n') | (State::BodyEnd, b'\n') => State::BeforeHead,
            (State::Line, b'\r') => State::HeadEnd,
            (State::Line | State::HeadEnd, b'\n') => self.end_head(),
            (State::Line, b'c' | b'C') => State::Name(LENGTH, 1),
            (State::Line, b't' | b'T') => State::Name(CODING, 1),
            (State::BeforeHead | State::Line, _) if is_token(byte) => State::LineRest,
            (State::Name(name, read), _) => self.read_name(name, read, byte),
            (State::Length, b'\n') => State::Line,
            (State::Length, _) => self.read_length(byte),
            (State::Size(size), _) => read_size(size, byte),
            (State::SizeEnd(0) | State::TrailerEnd, b'\n') => State::Trailer,
            // The CRLF after a chunk is as much to skip.
            (State::SizeEnd(size), b'\n') => State::Chunk(size.saturating_add(2)),
            (State::Trailer, b'\r') => State::BodyEnd,
            (State::Trailer, _) => State::TrailerRest,
            _ => State::Lost,
        }
    }

    fn read_name(&mut self, name: &'static [u8], read: usize, byte: u8) -> State {
        match name.get(read) {
            Some(expected) if byte.eq_ignore_ascii_case(expected) => State::Name(name, read + 1),
            None if byte == b':' && name == LENGTH => {
                self.head.length = Some(0);
                State::Length
            }
            None if byte == b':' => {
                self.head.is_coded = true;
                State::LineRest
            }
            _ if byte == b'\n' => State::Line,
            _ => State::LineRest,
        }
    }

    /// White space stands around the digits; hyper takes nothing else, nor two lengths that differ.
    fn read_length(&mut self, byte: u8) -> State {
        if byte.is_ascii_digit() {
            let read = self.head.length.unwrap_or_default();
            let read = read
                .saturating_mul(10)
                .saturating_add(u64::from(byte - b'0'));
            self.head.length = Some(read);
        }
        State::Length
    }

    fn end_head(&mut self) -> State {
        let head = std::mem::take(&mut self.head);
        let framing = head.framing();
        self.queue.push(framing);
        match head {
            _ if framing != Framing::AsShown => State::Lost,
            LengthHeaders { is_coded: true, .. } => State::Size(0),
            LengthHeaders {
                length: Some(1..), ..
            } => State::Body(head.length.unwrap_or_default()),
            _ => State::BeforeHead,
        }
    }
}

/// Where a size that is read digit by digit goes on. hyper sees to it that there is a digit, and that
/// a `u64` holds them all.
fn read_size(size: u64, byte: u8) -> State {
    let digit = match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        b'\r' => return State::SizeEnd(size),
        _ => return State::SizeRest(size),
    };
    State::Size(size.saturating_mul(16).saturating_add(digit.into()))
}

/// RFC 9110, 5.6.2. A WebSocket's frame and HTTP/2's begin with something else.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

// === impl LengthHeaders ===

impl LengthHeaders {
    fn framing(self) -> Framing {
        if self.is_coded && self.length.is_some() {
            Framing::Both
        } else {
            Framing::AsShown
        }
    }
}
