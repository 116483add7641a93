//! What sessions are held to.

use std::time::Duration;

use crate::Mode;

/// What a session is held to that opens under a policy: what it may send, what of that is read, and
/// how it is kept open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain data, compiled from a policy"
)]
pub struct SessionLimits {
    /// The route that these are for; empty for every other path.
    pub route: Box<str>,
    /// The most that one client may have open here, unless it is one that is never limited
    /// ([`crate::ClientIp::exempt`]).
    pub sockets_per_client: Option<u32>,
    /// The most that may be open here in all.
    pub sockets: Option<u32>,
    /// The subprotocols that may be offered to the service; any where none is named.
    pub subprotocols: Vec<Box<str>>,
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
    /// How many messages a client may send in a second over all its sessions here.
    pub client_messages: Option<u64>,
    /// How many bytes of payload a client may send in a second over all its sessions here.
    pub client_bytes: Option<u64>,
    /// How long a client may take nothing of what the service has for it.
    pub write_stall: Option<Duration>,
    /// How long a client may be silent before it is pinged.
    pub ping: Option<Duration>,
    /// Which messages are read and judged.
    pub message_kinds: MessageKinds,
    /// Whether a message waits until it is judged: some rule acts.
    pub holds: bool,
    /// Whether compressed messages are inflated where they are read; else compression is declined at
    /// the handshake, so that none are.
    pub inflates: bool,
    /// Whether what breaks these is ended, or only told.
    pub mode: Mode,
}

/// Which of a client's messages are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "none, one kind, both kinds")]
pub enum MessageKinds {
    /// None.
    #[default]
    None,
    /// Text.
    Text,
    /// Text and binary.
    All,
}

impl Default for SessionLimits {
    /// Terms that ask for nothing and only tell.
    fn default() -> Self {
        Self {
            route: Box::default(),
            sockets_per_client: None,
            sockets: None,
            subprotocols: Vec::new(),
            max_message: u64::MAX,
            max_fragments: u32::MAX,
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
