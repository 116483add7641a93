//! Violations of the protocol or of limits.

use std::{error, fmt, time::Duration};

use crate::{BudgetExhausted, CloseCode, Opcode, Rate};

/// A violation of the protocol or of the [`Limits`](crate::Limits), with its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    pub(crate) kind: Kind,
    pub(crate) offset: u64,
}

/// The kinds of [`Violation`]. Section numbers are those of RFC 6455 unless stated otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Reserved bits (4, 2, 1) without a negotiated extension (5.2).
    ReservedBits(u8),
    /// A reserved opcode (5.2).
    ReservedOpcode(u8),
    /// An unmasked frame from a client (5.1).
    Unmasked,
    /// A masked frame from a server (5.1).
    Masked,
    /// A length that is not minimally encoded (5.2).
    LengthNotMinimal(u64),
    /// A length with its highest bit set (5.2).
    LengthTooHigh(u64),
    /// A fragmented control frame (5.5).
    FragmentedControl(Opcode),
    /// A control frame of more than 125 bytes (5.5).
    ControlTooLong(Opcode),
    /// A continuation frame outside a message (5.4).
    ContinuationOfNothing,
    /// A new message inside another (5.4).
    MessageInMessage(Opcode),
    /// A close frame with a payload of one byte (5.5.1).
    HalfCloseCode,
    /// A close code that must not be sent (7.4).
    BadCloseCode(CloseCode),
    /// A close reason that is not UTF-8 (5.5.1).
    ReasonNotUtf8,
    /// A decoded text message that is not UTF-8 (8.1).
    TextNotUtf8,
    /// Bytes after a close frame (5.5.1). The connection is ending anyway, so it is enough to drop
    /// these bytes.
    AfterClose,
    /// A frame above the size limit.
    FrameTooBig {
        /// The size of the frame.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A message above the size limit, so far.
    MessageTooBig {
        /// The size of its frames so far; one more than the limit if it was being inflated.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A message that inflates beyond its ratio.
    Inflates {
        /// The compressed size.
        from: u64,
        /// The maximum inflated size, by the ratio.
        limit: u64,
    },
    /// A message for which the budget of all messages under decoding has no room.
    BuffersFull {
        /// The budget, in bytes.
        limit: u64,
    },
    /// A compressed message that cannot be inflated (RFC 7692, 6.2).
    NotDeflate,
    /// A compressed message that would have to be decoded, in a build without the feature
    /// `deflate`.
    CannotInflate,
    /// A message with more fragments than the limit.
    TooManyFragments(u32),
    /// Messages above their rate.
    Messages(Rate),
    /// Bytes above their rate.
    Bytes(Rate),
    /// Control frames above their rate.
    Controls(Rate),
    /// A message, or a control frame, that is not complete in time.
    TooSlow(Duration),
}

// === impl Violation ===

impl Violation {
    /// The kind of violation.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The start of the frame with the violation: the number of bytes that this side sent before
    /// it.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The code to close the connection with.
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
    /// The code to close the connection with: 1002 for framing errors, 1007 for data that does not
    /// match its type, 1009 for size, 1008 for rates and time, 1013 if a budget that all clients
    /// share is exhausted (RFC 6455, 7.4.1).
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
            Self::BuffersFull { .. } => CloseCode::TRY_LATER,
            Self::TooManyFragments(_)
            | Self::Messages(_)
            | Self::Bytes(_)
            | Self::Controls(_)
            | Self::TooSlow(_) => CloseCode::POLICY,
        }
    }

    /// The name of the check, as used in rule ids, events and counters.
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
            Self::BuffersFull { .. } => "message/buffers-full",
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

impl From<BudgetExhausted> for Kind {
    fn from(BudgetExhausted { limit }: BudgetExhausted) -> Self {
        Self::BuffersFull { limit }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits(bits) => {
                write!(f, "reserved bits {bits:03b} without a negotiated extension")
            }
            Self::ReservedOpcode(bits) => write!(f, "reserved opcode {bits:#x}"),
            Self::Unmasked => f.write_str("unmasked frame from the client"),
            Self::Masked => f.write_str("masked frame from the server"),
            Self::LengthNotMinimal(len) => {
                write!(f, "length {len} is not minimally encoded")
            }
            Self::LengthTooHigh(len) => write!(f, "length {len:#x} has its highest bit set"),
            Self::FragmentedControl(opcode) => write!(f, "fragmented {opcode:?} frame"),
            Self::ControlTooLong(opcode) => write!(f, "{opcode:?} frame of more than 125 bytes"),
            Self::ContinuationOfNothing => f.write_str("continuation frame outside a message"),
            Self::MessageInMessage(opcode) => {
                write!(f, "{opcode:?} frame inside another message")
            }
            Self::HalfCloseCode => f.write_str("close frame with a payload of one byte"),
            Self::BadCloseCode(code) => write!(f, "close code {code} must not be sent"),
            Self::ReasonNotUtf8 => f.write_str("close reason is not UTF-8"),
            Self::TextNotUtf8 => f.write_str("text message is not UTF-8"),
            Self::AfterClose => f.write_str("bytes after the close frame"),
            Self::FrameTooBig { bytes, limit } => {
                write!(f, "frame of {bytes} bytes exceeds the limit of {limit}")
            }
            Self::MessageTooBig { bytes, limit } => {
                write!(
                    f,
                    "message of at least {bytes} bytes exceeds the limit of {limit}"
                )
            }
            Self::Inflates { from, limit } => {
                write!(
                    f,
                    "message of {from} bytes inflates to more than {limit} bytes, the limit of its ratio"
                )
            }
            Self::BuffersFull { limit } => BudgetExhausted { limit: *limit }.fmt(f),
            Self::NotDeflate => f.write_str("compressed message cannot be inflated"),
            Self::CannotInflate => {
                f.write_str("compressed message, and this build lacks the feature deflate")
            }
            Self::TooManyFragments(limit) => write!(f, "message has more than {limit} fragments"),
            Self::Messages(rate) => write!(f, "more messages than {rate}"),
            Self::Bytes(rate) => write!(f, "more bytes than {rate}"),
            Self::Controls(rate) => write!(f, "more control frames than {rate}"),
            Self::TooSlow(limit) => write!(f, "message is not complete after {limit:?}"),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s with a burst of {}", self.per_second, self.burst)
    }
}
