//! What ends a socket.

use std::{error, fmt, time::Duration};

use crate::{CloseCode, Opcode, Rate};

/// What one side sent that it must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    pub(crate) kind: Kind,
    pub(crate) offset: u64,
}

/// What is wrong. Sections are those of RFC 6455 unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Reserved bits (4, 2, 1) that no extension was negotiated for (5.2).
    ReservedBits(u8),
    /// An opcode without a meaning (5.2).
    ReservedOpcode(u8),
    /// A client's frame that is not masked (5.1).
    Unmasked,
    /// A server's frame that is masked (5.1).
    Masked,
    /// A length that fewer bytes would spell (5.2).
    LengthNotMinimal(u64),
    /// A length of which the highest bit is set (5.2).
    LengthTooHigh(u64),
    /// A control frame that is not whole in itself (5.5).
    FragmentedControl(Opcode),
    /// A control frame of more than 125 bytes (5.5).
    ControlTooLong(Opcode),
    /// A continuation where no message is open (5.4).
    ContinuationOfNothing,
    /// A new message where another is open (5.4).
    MessageInMessage(Opcode),
    /// A close frame with half a code (5.5.1).
    HalfCloseCode,
    /// A close code that must not be sent (7.4).
    BadCloseCode(CloseCode),
    /// A reason for closing that is not UTF-8 (5.5.1).
    ReasonNotUtf8,
    /// A text message, where messages are read, that is not UTF-8 (8.1).
    TextNotUtf8,
    /// Anything after a close frame (5.5.1). The socket is ending by itself: it is enough to let
    /// these bytes fall.
    AfterClose,
    /// A frame of more bytes than the limit.
    FrameTooBig {
        /// Of the frame.
        bytes: u64,
        /// The most allowed.
        limit: u64,
    },
    /// A message of more bytes than the limit, so far.
    MessageTooBig {
        /// Of its frames so far; one more than the limit where it was being inflated.
        bytes: u64,
        /// The most allowed.
        limit: u64,
    },
    /// A message that inflates more than it may.
    Inflates {
        /// As it was sent.
        from: u64,
        /// The most it may be.
        limit: u64,
    },
    /// A compressed message that cannot be inflated (RFC 7692, 6.2).
    NotDeflate,
    /// A compressed message that would have to be read, in a build without the feature `deflate`.
    CannotInflate,
    /// A message in more fragments than the limit.
    TooManyFragments(u32),
    /// More messages than their rate.
    Messages(Rate),
    /// More bytes than their rate.
    Bytes(Rate),
    /// More control frames than their rate.
    Controls(Rate),
    /// A message, or a control frame, that is not whole in time.
    TooSlow(Duration),
}

// === impl Violation ===

impl Violation {
    /// What is wrong.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Where the frame begins that it was found in: how many bytes this side sent before it.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// What to close the socket with.
    pub const fn code(&self) -> CloseCode {
        self.kind.code()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (in the frame at byte {})", self.kind, self.offset)
    }
}

impl error::Error for Violation {}

// === impl Kind ===

impl Kind {
    /// What to close the socket with: 1002 for what breaks the framing, 1007 for data that is not
    /// what it claims to be, 1009 for size, 1008 for budgets (RFC 6455, 7.4.1).
    pub const fn code(self) -> CloseCode {
        match self {
            Self::ReservedBits(_)
            | Self::ReservedOpcode(_)
            | Self::Unmasked
            | Self::Masked
            | Self::LengthNotMinimal(_)
            | Self::LengthTooHigh(_)
            | Self::FragmentedControl(_)
            | Self::ControlTooLong(_)
            | Self::ContinuationOfNothing
            | Self::MessageInMessage(_)
            | Self::HalfCloseCode
            | Self::BadCloseCode(_)
            | Self::AfterClose => CloseCode::PROTOCOL,
            Self::ReasonNotUtf8 | Self::TextNotUtf8 | Self::NotDeflate => CloseCode::INVALID,
            Self::FrameTooBig { .. } | Self::MessageTooBig { .. } | Self::Inflates { .. } => {
                CloseCode::TOO_BIG
            }
            Self::CannotInflate => CloseCode::INTERNAL,
            Self::TooManyFragments(_)
            | Self::Messages(_)
            | Self::Bytes(_)
            | Self::Controls(_)
            | Self::TooSlow(_) => CloseCode::POLICY,
        }
    }

    /// Its name, as rules, events and counters know it.
    pub const fn id(self) -> &'static str {
        match self {
            Self::ReservedBits(_) => "frame/reserved-bits",
            Self::ReservedOpcode(_) => "frame/reserved-opcode",
            Self::Unmasked => "frame/unmasked",
            Self::Masked => "frame/masked",
            Self::LengthNotMinimal(_) => "frame/length-not-minimal",
            Self::LengthTooHigh(_) => "frame/length-too-high",
            Self::FragmentedControl(_) => "frame/fragmented-control",
            Self::ControlTooLong(_) => "frame/control-too-long",
            Self::ContinuationOfNothing => "frame/continuation-of-nothing",
            Self::MessageInMessage(_) => "frame/message-in-message",
            Self::HalfCloseCode => "close/half-code",
            Self::BadCloseCode(_) => "close/bad-code",
            Self::ReasonNotUtf8 => "close/reason-not-utf8",
            Self::AfterClose => "close/after-close",
            Self::TextNotUtf8 => "message/not-utf8",
            Self::FrameTooBig { .. } => "frame/too-big",
            Self::MessageTooBig { .. } => "message/too-big",
            Self::Inflates { .. } => "message/inflates",
            Self::NotDeflate => "message/not-deflate",
            Self::CannotInflate => "message/cannot-inflate",
            Self::TooManyFragments(_) => "message/too-many-fragments",
            Self::Messages(_) => "rate/messages",
            Self::Bytes(_) => "rate/bytes",
            Self::Controls(_) => "rate/controls",
            Self::TooSlow(_) => "message/too-slow",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits(bits) => {
                write!(f, "reserved bits {bits:03b} that nobody negotiated")
            }
            Self::ReservedOpcode(bits) => write!(f, "the reserved opcode {bits:#x}"),
            Self::Unmasked => f.write_str("a frame from the client that is not masked"),
            Self::Masked => f.write_str("a frame from the server that is masked"),
            Self::LengthNotMinimal(len) => {
                write!(f, "the length {len} in more bytes than it needs")
            }
            Self::LengthTooHigh(len) => write!(f, "the length {len:#x}, its highest bit set"),
            Self::FragmentedControl(opcode) => write!(f, "a {opcode:?} frame in fragments"),
            Self::ControlTooLong(opcode) => write!(f, "a {opcode:?} frame of more than 125 bytes"),
            Self::ContinuationOfNothing => f.write_str("a continuation where no message is open"),
            Self::MessageInMessage(opcode) => {
                write!(f, "a {opcode:?} frame where another message is open")
            }
            Self::HalfCloseCode => f.write_str("a close frame with half a code"),
            Self::BadCloseCode(code) => write!(f, "the close code {code}, which is never sent"),
            Self::ReasonNotUtf8 => f.write_str("a reason for closing that is not UTF-8"),
            Self::TextNotUtf8 => f.write_str("a text message that is not UTF-8"),
            Self::AfterClose => f.write_str("bytes after the close frame"),
            Self::FrameTooBig { bytes, limit } => {
                write!(f, "a frame of {bytes} bytes, where {limit} are allowed")
            }
            Self::MessageTooBig { bytes, limit } => {
                write!(
                    f,
                    "a message of at least {bytes} bytes, where {limit} are allowed"
                )
            }
            Self::Inflates { from, limit } => {
                write!(
                    f,
                    "a message of {from} bytes that inflates to more than {limit}"
                )
            }
            Self::NotDeflate => f.write_str("a compressed message that cannot be inflated"),
            Self::CannotInflate => {
                f.write_str("a compressed message, which this build cannot read")
            }
            Self::TooManyFragments(limit) => write!(f, "a message in more than {limit} fragments"),
            Self::Messages(rate) => write!(f, "more messages than {rate}"),
            Self::Bytes(rate) => write!(f, "more bytes than {rate}"),
            Self::Controls(rate) => write!(f, "more control frames than {rate}"),
            Self::TooSlow(limit) => write!(f, "a message that is not whole after {limit:?}"),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s after {} at once", self.per_second, self.burst)
    }
}
