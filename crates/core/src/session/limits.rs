//! Limits of a session.

use std::time::Duration;

use crate::Mode;

/// The limits of a session, fixed when it opens under a policy: the traffic that the client may
/// send, the messages that are inspected, and the keep-alive. Selected by path with
/// [`RouteLimits`](crate::RouteLimits).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain data, compiled from a policy"
)]
pub struct SessionLimits {
    /// The route that these limits apply to; empty for all other paths.
    pub route: Box<str>,
    /// The maximum number of open WebSockets per client on this route. Clients that are never
    /// limited ([`crate::ClientIp::exempt`]) are not counted.
    pub sockets_per_client: Option<u32>,
    /// The maximum number of open WebSockets on this route.
    pub sockets: Option<u32>,
    /// The subprotocols that may be offered to the service; any if empty.
    pub subprotocols: Vec<Box<str>>,
    /// The maximum payload of one client message, in bytes.
    pub max_message: u64,
    /// The maximum number of frames of one message.
    pub max_fragments: u32,
    /// The maximum ratio of a message's inflated size to its compressed size, for messages that
    /// inflate to more than 64 KiB.
    pub max_inflate_ratio: u64,
    /// The maximum memory of messages that are incomplete or wait for the service, in bytes, over
    /// all sessions.
    pub max_buffered: u64,
    /// The maximum time from the first byte of a message to its last.
    pub message_time: Duration,
    /// The maximum number of messages per second from a client; the burst has the same size.
    pub messages: Option<u64>,
    /// The maximum number of payload bytes per second from a client; the burst has the same size.
    /// Inflated messages count with the larger of both sizes.
    pub bytes: Option<u64>,
    /// The maximum number of control frames per second from a client; the burst has the same size.
    pub controls: Option<u64>,
    /// The maximum number of messages per second from a client over all its sessions on this route.
    pub client_messages: Option<u64>,
    /// The maximum number of payload bytes per second from a client over all its sessions on this
    /// route. Inflated messages count with the larger of both sizes.
    pub client_bytes: Option<u64>,
    /// The maximum time for which a client may accept none of the bytes that the service sends.
    pub write_stall: Option<Duration>,
    /// The idle time after which a client is pinged.
    pub ping: Option<Duration>,
    /// The kinds of messages that are decoded and judged.
    pub message_kinds: MessageKinds,
    /// `true` if a message is held until it is judged, because a rule about messages is enforced.
    pub holds: bool,
    /// `true` if compressed messages are inflated for inspection; otherwise compression is declined
    /// at the handshake.
    pub inflates: bool,
    /// The mode: a session that exceeds these limits is closed, or only an event is recorded.
    pub mode: Mode,
}

/// The kinds of client messages that are inspected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "none, one kind, both kinds")]
pub enum MessageKinds {
    /// No messages.
    #[default]
    None,
    /// Text messages.
    Text,
    /// Text and binary messages.
    All,
}

impl Default for SessionLimits {
    /// No limits, in observe mode.
    fn default() -> Self {
        Self {
            route: Box::default(),
            sockets_per_client: None,
            sockets: None,
            subprotocols: Vec::new(),
            max_message: u64::MAX,
            max_fragments: u32::MAX,
            max_inflate_ratio: u64::MAX,
            max_buffered: u64::MAX,
            message_time: Duration::MAX,
            messages: None,
            bytes: None,
            controls: None,
            client_messages: None,
            client_bytes: None,
            write_stall: None,
            ping: None,
            message_kinds: MessageKinds::None,
            holds: false,
            inflates: false,
            mode: Mode::Observe,
        }
    }
}
