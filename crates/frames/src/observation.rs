//! Results of an observer.

use crate::{CloseCode, MessageKind, Opcode};

/// A part of the input, from a single frame. Returned by
/// [`Observer::watch`](crate::Observer::watch).
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Observation<'o, 'b> {
    /// The bytes, unchanged. The bytes of all observations together are the input.
    pub bytes: &'b [u8],
    /// The type of the frame that the bytes belong to. A proxy that sends its own pings holds
    /// pongs, of at most 131 bytes, until they are complete, and drops the answers to its own.
    pub opcode: Opcode,
    /// `true` if the bytes belong to a message that this or a later observation reports. An
    /// enforcing proxy holds them until then. Control frames between the fragments are not held:
    /// they may overtake the message, so that a ping is answered in the meantime (RFC 6455, 5.4).
    pub hold: bool,
    /// The number of bytes by which a message grew when it was inflated; zero unless the bytes
    /// complete a compressed message that is decoded.
    pub inflated: u64,
    /// The element that the bytes complete.
    pub seen: Option<Seen<'o>>,
}

/// An element completed by an [`Observation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all elements of RFC 6455")]
pub enum Seen<'o> {
    /// A frame header, reported with its last byte.
    Frame {
        /// The type of the frame.
        opcode: Opcode,
        /// `true` for the last frame of its message.
        fin: bool,
        /// The length of the payload that follows.
        len: u64,
    },
    /// A complete message, unmasked and inflated, if [`MessageDecoding`](crate::MessageDecoding)
    /// selects its kind.
    Message {
        /// The type; text is valid UTF-8.
        kind: MessageKind,
        /// The payload.
        payload: &'o [u8],
        /// The start of its first frame: the number of bytes that this side sent before it.
        offset: u64,
    },
    /// A complete ping, with its payload.
    Ping(&'o [u8]),
    /// A complete pong, with its payload.
    Pong(&'o [u8]),
    /// A complete close frame, the last frame of this side.
    Close {
        /// The code; `None` if the frame is empty.
        code: Option<CloseCode>,
        /// The reason in the sender's words.
        reason: &'o str,
    },
}
