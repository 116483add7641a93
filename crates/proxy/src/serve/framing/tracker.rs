//! A state machine that follows HTTP/1 input from one request head to the next, in step with hyper.
//!
//! Of a head it keeps the first line, which of the two headers were present, and a length. It
//! follows the grammar that hyper accepts (httparse for heads, `proto/h1/decode.rs` for chunks): a
//! line of a head ends with LF or CRLF, one of a chunked body with CRLF only.

use std::sync::Arc;

use gabion_core::Framing;
use memchr::{memchr, memchr_iter};

use super::FramingQueue;

const LENGTH: &[u8] = b"content-length";
const CODING: &[u8] = b"transfer-encoding";

/// Scans each byte once, and queues the framing of each head.
#[derive(Debug)]
pub(super) struct FramingTracker {
    queue: Arc<FramingQueue>,
    state: State,
    head: LengthHeaders,
    /// The number of heads that have begun.
    begun: usize,
    /// `true` if the end of the latest head's first line was not read yet.
    in_first_line: bool,
    /// The bytes read since the last message, with empty lines before a head; 0 in a body.
    incomplete_head: usize,
}

/// The meaning of the next byte.
#[derive(Clone, Copy, Debug)]
enum State {
    /// An empty line before a head, or the head's first byte.
    BeforeHead,
    /// The first byte of a header line, or the end of the head.
    Line,
    /// A header name that begins like one of the two, and the number of matched bytes.
    Name(&'static [u8], usize),
    /// The value of `Content-Length`.
    Length,
    /// The rest of a line without effect on the framing.
    LineRest,
    /// The LF of the empty line that ends a head.
    HeadEnd,
    /// The remaining bytes of a body.
    Body(u64),
    /// A chunk size, as read so far.
    Size(u64),
    /// The rest of the line of that chunk size.
    SizeRest(u64),
    /// The LF of that line.
    SizeEnd(u64),
    /// The remaining bytes of a chunk, including its line end.
    Chunk(u64),
    /// The first byte of a trailer line, or the end of the body.
    Trailer,
    /// The rest of a trailer line, which a bare LF does not end.
    TrailerRest,
    /// The LF of that line.
    TrailerEnd,
    /// The LF of the empty line that ends a chunked body.
    BodyEnd,
    /// Input that is not a request for hyper, or anything after the last head.
    Lost,
}

/// The headers of one head that set its body's length.
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
            begun: 0,
            in_first_line: false,
            incomplete_head: 0,
        }
    }

    /// The number of bytes of a head that was not read to its end; 0 if there is none.
    pub(super) const fn incomplete_head(&self) -> usize {
        self.incomplete_head
    }

    /// Scans the next bytes that were read.
    pub(super) fn scan(&mut self, mut bytes: &[u8]) {
        if self.queue.is_stopped() {
            self.state = State::Lost;
        } else if self.in_first_line {
            self.in_first_line = self.queue.line().append(bytes);
        }
        while !bytes.is_empty() && !matches!(self.state, State::Lost) {
            let seen = match self.state {
                State::LineRest => {
                    let seen = self.skip_lines(bytes);
                    self.incomplete_head += seen;
                    seen
                }
                State::SizeRest(size) => self.skip_to(b'\r', State::SizeEnd(size), bytes),
                State::TrailerRest => self.skip_to(b'\r', State::TrailerEnd, bytes),
                State::Body(left) => self.skip(left, State::Body, State::BeforeHead, bytes),
                State::Chunk(left) => self.skip(left, State::Chunk, State::Size(0), bytes),
                _ => {
                    self.note_first_line(bytes);
                    self.incomplete_head += usize::from(self.state.is_in_head());
                    self.state = self.next_state(bytes[0]);
                    1
                }
            };
            bytes = &bytes[seen..];
        }
    }

    /// Keeps the first line if a head begins with `bytes`.
    fn note_first_line(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::BeforeHead) && !matches!(bytes[0], b'\r' | b'\n') {
            self.in_first_line = self.queue.line().restart(self.begun, bytes);
            self.begun += 1;
        }
    }

    #[cfg(test)]
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost)
    }

    /// Skips the rest of a line, and the following lines whose first byte shows that they have no effect on the
    /// framing.
    fn skip_lines(&mut self, bytes: &[u8]) -> usize {
        for end in memchr_iter(b'\n', bytes) {
            let has_effect = |first: &u8| matches!(first | 0x20, b'c' | b't') || !is_token(*first);
            if bytes.get(end + 1).is_none_or(has_effect) {
                self.state = State::Line;
                return end + 1;
            }
        }
        bytes.len()
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
            // The CRLF after a chunk is skipped with it.
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

    /// Reads a digit. hyper accepts only white space around the digits, and rejects two lengths
    /// that differ.
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
        self.incomplete_head = 0;
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

// === impl State ===

impl State {
    /// Returns `true` if hyper keeps the next byte until the head ends.
    const fn is_in_head(self) -> bool {
        matches!(
            self,
            Self::BeforeHead
                | Self::Line
                | Self::Name(..)
                | Self::Length
                | Self::LineRest
                | Self::HeadEnd
        )
    }
}

/// Reads a byte of a chunk size. hyper ensures that there is a digit, and that the value fits a
/// `u64`.
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

/// RFC 9110, 5.6.2. WebSocket and HTTP/2 frames begin with other bytes.
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
