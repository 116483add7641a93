//! What an observer says.

use crate::{CloseCode, MessageKind, Opcode};

/// A part of the input: never of more than one frame.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "what a step is")]
pub struct Observation<'o, 'b> {
    /// The bytes, as they came. All steps' bytes together are the input.
    pub bytes: &'b [u8],
    /// The frame that they are of. Whoever sends pings keeps pongs, of at most 131 bytes, until they
    /// are seen, and lets their own fall.
    pub opcode: Opcode,
    /// They belong to a message that a later step will show, or this one shows. Whoever enforces
    /// keeps them until then. Control frames between the fragments are not held: they may
    /// overtake, so that a ping is answered meanwhile (RFC 6455, 5.4).
    pub hold: bool,
    /// What the bytes complete.
    pub seen: Option<Seen<'o>>,
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all that frames can be")]
pub enum Seen<'o> {
    /// The head of any frame, as its last byte comes.
    Frame {
        /// What it is.
        opcode: Opcode,
        /// It is its message's last.
        fin: bool,
        /// Bytes of payload to come.
        len: u64,
    },
    /// A whole message, unmasked and inflated, where [`Depth`](crate::Depth) has it read.
    Message {
        /// Text is known to be UTF-8.
        kind: MessageKind,
        /// The message.
        payload: &'o [u8],
        /// Where its first frame begins: how many bytes this side sent before it.
        offset: u64,
    },
    /// A whole ping, and its payload.
    Ping(&'o [u8]),
    /// A whole pong, and its payload.
    Pong(&'o [u8]),
    /// A whole close frame. Nothing comes after it.
    Close {
        /// Why; none where the frame is empty.
        code: Option<CloseCode>,
        /// In words of the sender's.
        reason: &'o str,
    },
}
