//! Limits on the traffic of one side.

use std::{sync::Arc, time::Duration};

use crate::BufferBudget;

/// A token-bucket rate: `per_second` with a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two numbers")]
pub struct Rate {
    /// The number of tokens added per second.
    pub per_second: u64,
    /// The number of tokens at the start, and the maximum (at most 18 billion).
    pub burst: u64,
}

/// Limits on the traffic of one side of a WebSocket. Bytes are payload bytes.
///
/// A decoded message uses memory until it ends: up to twice `max_message`, and as much again if it
/// is compressed.
///
/// # Examples
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use gabion_frames::{Kind, Limits, MessageDecoding, Negotiated, Observer, Role};
///
/// let limits = Arc::new(Limits::new().with_max_frame(4));
/// let mut observer =
///     Observer::new(Role::Server, limits, Negotiated::NONE, MessageDecoding::None);
/// let mut input = &b"\x81\x00\x81\x05"[..];
/// let refused = loop {
///     match observer.watch(&mut input, Duration::ZERO) {
///         Ok(observation) => assert!(observation.is_some()),
///         Err(violation) => break violation,
///     }
/// };
/// assert_eq!(refused.offset(), 2, "the first frame passes");
/// assert_eq!(refused.kind(), Kind::FrameTooBig { bytes: 5, limit: 4 });
/// ```
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
    /// `None` for no limit.
    pub(crate) budget: Option<Arc<BufferBudget>>,
    pub(crate) max_buffered: u64,
}

impl Limits {
    /// The highest ratio of inflated to compressed bytes that DEFLATE reaches: 258 bytes take two
    /// bits.
    pub const HIGHEST_RATIO: u64 = 1032;

    /// The size of an inflated message up to which its ratio does not matter.
    pub const RATIO_FLOOR: u64 = 64 << 10;

    /// Frames and messages of 1 MiB, 1,024 fragments, 60 s per message, no limit of the inflation
    /// ratio, of a budget or of rates.
    pub const fn new() -> Self {
        Self {
            max_frame: 1 << 20,
            max_message: 1 << 20,
            max_fragments: 1024,
            message_time: Duration::from_mins(1),
            messages: None,
            bytes: None,
            controls: None,
            max_ratio: Self::HIGHEST_RATIO,
            ratio_floor: Self::RATIO_FLOOR,
            budget: None,
            max_buffered: u64::MAX,
        }
    }

    /// Sets the maximum size of one frame. Default: 1 MiB.
    pub fn with_max_frame(self, max_frame: u64) -> Self {
        Self { max_frame, ..self }
    }

    /// Sets the maximum size of one message, as the sum of its frames and, if it is decoded,
    /// inflated. Default: 1 MiB.
    pub fn with_max_message(self, max_message: u64) -> Self {
        Self {
            max_message,
            ..self
        }
    }

    /// Sets the maximum number of frames of one message. Default: 1,024.
    pub fn with_max_fragments(self, max_fragments: u32) -> Self {
        Self {
            max_fragments,
            ..self
        }
    }

    /// Sets the maximum time from the first byte of a message to its last, including control frames
    /// between its fragments. A single control frame has the same time. Default: one minute;
    /// `Duration::MAX` disables the limit.
    pub fn with_message_time(self, message_time: Duration) -> Self {
        Self {
            message_time,
            ..self
        }
    }

    /// Sets the rate of messages, text and binary. Default: unlimited.
    pub fn with_messages(self, rate: Rate) -> Self {
        Self {
            messages: Some(rate),
            ..self
        }
    }

    /// Sets the rate of bytes in all frames, and of the bytes by which messages grow when they are
    /// inflated. Default: unlimited. A burst below `max_message` refuses large messages that arrive
    /// quickly.
    pub fn with_bytes(self, rate: Rate) -> Self {
        Self {
            bytes: Some(rate),
            ..self
        }
    }

    /// Sets the rate of control frames (ping, pong, close). Default: unlimited.
    pub fn with_controls(self, rate: Rate) -> Self {
        Self {
            controls: Some(rate),
            ..self
        }
    }

    /// Sets the maximum ratio of a message's inflated size to its compressed size. Messages that
    /// inflate to at most `floor` bytes are exempt. Default: [`Self::HIGHEST_RATIO`], so that no
    /// message is refused, and [`Self::RATIO_FLOOR`].
    pub fn with_max_ratio(self, max_ratio: u64, floor: u64) -> Self {
        Self {
            max_ratio,
            ratio_floor: floor,
            ..self
        }
    }

    /// Sets the maximum number of bytes that all messages under decoding use which count toward
    /// `budget`, those of other observers included. Default: unlimited.
    pub fn with_budget(self, budget: Arc<BufferBudget>, max_buffered: u64) -> Self {
        let budget = Some(budget);
        Self {
            budget,
            max_buffered,
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
