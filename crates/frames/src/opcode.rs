//! Frame types (RFC 6455, 5.2).

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "all that RFC 6455 defines; others are refused"
)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation,
    /// A text message, or its first fragment.
    Text,
    /// A binary message, or its first fragment.
    Binary,
    /// The last frame of a side.
    Close,
    /// A request for a pong.
    Ping,
    /// The response to a ping.
    Pong,
}

impl Opcode {
    /// The opcode of the four bits; `None` if they are reserved.
    pub const fn new(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::Continuation),
            1 => Some(Self::Text),
            2 => Some(Self::Binary),
            8 => Some(Self::Close),
            9 => Some(Self::Ping),
            10 => Some(Self::Pong),
            _ => None,
        }
    }

    /// Returns `true` for close, ping and pong: never fragmented, and allowed between the fragments
    /// of a message.
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}
