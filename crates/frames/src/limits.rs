//! What one side of a socket may send.

use std::time::Duration;

/// So many in a second, after so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two numbers")]
pub struct Rate {
    /// How many come back each second.
    pub per_second: u64,
    /// How many are there at first, and at most (18 thousand million).
    pub burst: u64,
}

/// What one side of a socket may send. Bytes are bytes of payload.
///
/// An inspected message costs memory while it is under way: up to twice `max_message`, and as much
/// again where it is compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) max_frame: u64,
    pub(crate) max_message: u64,
    pub(crate) max_fragments: u32,
    pub(crate) message_time: Duration,
    pub(crate) messages: Option<Rate>,
    pub(crate) bytes: Option<Rate>,
    pub(crate) controls: Option<Rate>,
    pub(crate) max_ratio: u64,
    pub(crate) ratio_floor: u64,
}

impl Limits {
    /// Frames and messages of a MiB, 1,024 fragments, 60 s for a message, a hundredfold inflation
    /// above 64 KiB, and no rates.
    pub const fn new() -> Self {
        Self {
            max_frame: 1 << 20,
            max_message: 1 << 20,
            max_fragments: 1024,
            message_time: Duration::from_mins(1),
            messages: None,
            bytes: None,
            controls: None,
            max_ratio: 100,
            ratio_floor: 64 << 10,
        }
    }

    /// The most bytes in one frame; a MiB by default.
    pub const fn with_max_frame(self, max_frame: u64) -> Self {
        Self { max_frame, ..self }
    }

    /// The most bytes in one message, all its frames together, as sent and, where it is read,
    /// inflated; a MiB by default.
    pub const fn with_max_message(self, max_message: u64) -> Self {
        Self {
            max_message,
            ..self
        }
    }

    /// The most frames of one message; 1,024 by default.
    pub const fn with_max_fragments(self, max_fragments: u32) -> Self {
        Self {
            max_fragments,
            ..self
        }
    }

    /// How long a message may take from its first byte to its last, control frames between its
    /// fragments included; a minute by default, and `Duration::MAX` for ever. A control frame by
    /// itself may take as long.
    pub const fn with_message_time(self, message_time: Duration) -> Self {
        Self {
            message_time,
            ..self
        }
    }

    /// How many messages, text and binary; any number by default.
    pub const fn with_messages(self, rate: Rate) -> Self {
        Self {
            messages: Some(rate),
            ..self
        }
    }

    /// How many bytes of any frames; any number by default. A burst below `max_frame` refuses large
    /// frames that come quickly.
    pub const fn with_bytes(self, rate: Rate) -> Self {
        Self {
            bytes: Some(rate),
            ..self
        }
    }

    /// How many control frames (ping, pong, close); any number by default.
    pub const fn with_controls(self, rate: Rate) -> Self {
        Self {
            controls: Some(rate),
            ..self
        }
    }

    /// How many times its size as sent a message may have when inflated, unless that is no more
    /// than `floor` bytes; 100 and 64 KiB by default.
    pub const fn with_max_ratio(self, max_ratio: u64, floor: u64) -> Self {
        Self {
            max_ratio,
            ratio_floor: floor,
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
