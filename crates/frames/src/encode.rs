//! Writing control frames, to be put between the frames that pass.

use std::{error, fmt};

use crate::{CloseCode, Opcode, head};

/// A control frame, ready to be sent.
#[derive(Clone, Copy)]
pub struct ControlFrame {
    /// Two bytes, four of a key, and at most 125.
    bytes: [u8; 131],
    len: u8,
}

/// More bytes than the 125 that a control frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong(usize);

/// A ping (RFC 6455, 5.5.2). A client's is masked with a `key` that nobody can foresee; a server's
/// is not masked.
///
/// # Errors
///
/// Where the payload is longer than 125 bytes.
pub fn ping(payload: &[u8], key: Option<[u8; 4]>) -> Result<ControlFrame, TooLong> {
    frame(Opcode::Ping, payload, key)
}

/// A pong (RFC 6455, 5.5.3).
///
/// # Errors
///
/// Where the payload is longer than 125 bytes.
pub fn pong(payload: &[u8], key: Option<[u8; 4]>) -> Result<ControlFrame, TooLong> {
    frame(Opcode::Pong, payload, key)
}

/// A close (RFC 6455, 5.5.1), its reason cut after the last whole character that fits.
pub fn close(code: CloseCode, reason: &str, key: Option<[u8; 4]>) -> ControlFrame {
    let reason = reason.split_at(reason.floor_char_boundary(123)).0;
    let code = code.value().to_be_bytes();
    ControlFrame::new(0x88, code.iter().chain(reason.as_bytes()), key)
}

/// A ping or a pong of eight bytes, which always fit.
pub(crate) fn small(opcode: Opcode, payload: [u8; 8], key: Option<[u8; 4]>) -> ControlFrame {
    ControlFrame::new(first(opcode), payload.iter(), key)
}

fn frame(opcode: Opcode, payload: &[u8], key: Option<[u8; 4]>) -> Result<ControlFrame, TooLong> {
    if payload.len() > 125 {
        return Err(TooLong(payload.len()));
    }
    Ok(ControlFrame::new(first(opcode), payload.iter(), key))
}

/// The first byte: one frame, a ping or a pong.
const fn first(opcode: Opcode) -> u8 {
    if matches!(opcode, Opcode::Ping) {
        0x89
    } else {
        0x8A
    }
}

// === impl ControlFrame ===

impl ControlFrame {
    fn new<'p>(first: u8, payload: impl Iterator<Item = &'p u8>, key: Option<[u8; 4]>) -> Self {
        let mut bytes = [0; 131];
        let (head, body) = bytes.split_at_mut(if key.is_some() { 6 } else { 2 });
        let mut len = 0;
        for (place, byte) in body.iter_mut().zip(payload) {
            *place = *byte;
            len += 1;
        }
        head::unmask(
            body.split_at_mut(usize::from(len)).0,
            key.unwrap_or_default(),
            0,
        );
        let masked = if key.is_some() { 0x80 } else { 0 };
        let words = [first, masked | len]
            .into_iter()
            .chain(key.unwrap_or_default());
        for (place, byte) in head.iter_mut().zip(words) {
            *place = byte;
        }
        let len = len + if key.is_some() { 6 } else { 2 };
        Self { bytes, len }
    }

    /// The bytes to send.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl AsRef<[u8]> for ControlFrame {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for ControlFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ControlFrame({})", self.as_bytes().escape_ascii())
    }
}

// === impl TooLong ===

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes do not fit into a control frame, which holds 125",
            self.0
        )
    }
}

impl error::Error for TooLong {}
