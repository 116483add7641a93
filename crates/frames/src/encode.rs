//! Encoder for control frames, to insert between forwarded frames.
//!
//! # Examples
//!
//! ```
//! use gabion_frames::encode;
//!
//! assert_eq!(encode::ping(b"Hello", None)?.as_bytes(), b"\x89\x05Hello");
//! assert!(encode::ping(&[0; 126], None).is_err());
//! # Ok::<(), encode::TooLong>(())
//! ```

use std::{error, fmt};

use crate::{CloseCode, Opcode, head};

/// An encoded control frame.
#[derive(Clone, Copy)]
pub struct ControlFrame {
    /// Two bytes, four of a key, and at most 125 of payload.
    bytes: [u8; 131],
    len: u8,
}

/// The error for a payload above the 125 bytes that a control frame may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong(usize);

/// Encodes a ping (RFC 6455, 5.5.2). A client's is masked with an unpredictable `key`; a server's
/// is not masked.
///
/// # Errors
///
/// Rejects a payload of more than 125 bytes.
pub fn ping(payload: &[u8], key: Option<[u8; 4]>) -> Result<ControlFrame, TooLong> {
    frame(Opcode::Ping, payload, key)
}

/// Encodes a pong (RFC 6455, 5.5.3).
///
/// # Errors
///
/// Rejects a payload of more than 125 bytes.
pub fn pong(payload: &[u8], key: Option<[u8; 4]>) -> Result<ControlFrame, TooLong> {
    frame(Opcode::Pong, payload, key)
}

/// Encodes a close frame (RFC 6455, 5.5.1). The reason is truncated to 123 bytes at a character
/// boundary.
pub fn close(code: CloseCode, reason: &str, key: Option<[u8; 4]>) -> ControlFrame {
    let reason = reason.split_at(reason.floor_char_boundary(123)).0;
    let code = code.value().to_be_bytes();
    ControlFrame::new(0x88, code.iter().chain(reason.as_bytes()), key)
}

/// Encodes a ping or pong with a payload of eight bytes, which always fits.
pub(crate) fn small(opcode: Opcode, payload: [u8; 8], key: Option<[u8; 4]>) -> ControlFrame {
    ControlFrame::new(first(opcode), payload.iter(), key)
}

fn frame(opcode: Opcode, payload: &[u8], key: Option<[u8; 4]>) -> Result<ControlFrame, TooLong> {
    if payload.len() > 125 {
        return Err(TooLong(payload.len()));
    }
    Ok(ControlFrame::new(first(opcode), payload.iter(), key))
}

/// The first byte of an unfragmented ping or pong.
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
        for (slot, byte) in body.iter_mut().zip(payload) {
            *slot = *byte;
            len += 1;
        }
        head::unmask(
            body.split_at_mut(usize::from(len)).0,
            key.unwrap_or_default(),
            0,
        );
        let masked = if key.is_some() { 0x80 } else { 0 };
        let header = [first, masked | len]
            .into_iter()
            .chain(key.unwrap_or_default());
        for (slot, byte) in head.iter_mut().zip(header) {
            *slot = byte;
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
        write!(f, "a control frame holds at most 125 bytes, not {}", self.0)
    }
}

impl error::Error for TooLong {}
