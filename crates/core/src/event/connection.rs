//! Events about connections that are not served.

use std::{fmt, net::IpAddr, time::SystemTime};

/// A connection that an accept loop closed unread, because too many are open.
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

/// A limit of the number of open connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionLimit {
    /// That of all clients together.
    Total,
    /// That of one client.
    Client,
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
        })
    }
}
