//! Events about connections that are not served, or not to their end.

use std::{fmt, net::IpAddr, time::SystemTime};

/// A connection that an accept loop closed, because it reached a limit: unread, if too many are open.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionRefusedEvent {
    /// The wall-clock time.
    pub at: SystemTime,
    /// The remote address of the socket.
    pub peer: IpAddr,
    /// The limit that was reached.
    pub limit: ConnectionLimit,
}

/// A limit of what connections may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionLimit {
    /// The number of open connections of all clients together.
    Total,
    /// The number of open connections of one client.
    Client,
    /// The number of HTTP/2 control frames, such as PING and SETTINGS, beside those that requests need.
    ControlFrames,
    /// The memory of the incomplete request heads of all connections.
    HeadMemory,
    /// None for this client: the policy denies it, so that its TLS handshake is not begun.
    Denied,
}

impl ConnectionRefusedEvent {
    /// Creates an event about a connection from `peer`.
    pub const fn new(at: SystemTime, peer: IpAddr, limit: ConnectionLimit) -> Self {
        Self { at, peer, limit }
    }
}

impl fmt::Display for ConnectionRefusedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection of {} refused: {}", self.peer, self.limit)
    }
}

impl fmt::Display for ConnectionLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Total => "too many connections are open",
            Self::Client => "the client has too many open connections",
            Self::ControlFrames => "it sends more HTTP/2 control frames than its requests need",
            Self::HeadMemory => {
                "its incomplete request head is large, and those of all connections take as much memory as they may"
            }
            Self::Denied => "the policy denies the client",
        })
    }
}
