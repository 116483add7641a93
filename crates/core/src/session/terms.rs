//! What sessions are held to.

use std::time::Duration;

use crate::Mode;

/// What sessions are held to that open under a policy. Without them nothing is asked of a session
/// but that its client and path be not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain data, compiled from a policy"
)]
pub struct Terms {
    /// The most that one client may have open, unless it is one that is never limited
    /// ([`crate::ClientIp::exempt`]).
    pub sockets_per_client: Option<u32>,
    /// The most that may be open in all.
    pub sockets: Option<u32>,
    /// The most bytes of payload in one message of a client.
    pub max_message: u64,
    /// The most frames of one message.
    pub max_fragments: u32,
    /// How long a message may take from its first byte to its last.
    pub message_time: Duration,
    /// How many messages a client may send in a second, and at once.
    pub messages: Option<u64>,
    /// How many bytes of payload a client may send in a second, and at once.
    pub bytes: Option<u64>,
    /// How many control frames a client may send in a second, and at once.
    pub controls: Option<u64>,
    /// Whether what breaks these is ended, or only told.
    pub mode: Mode,
}
