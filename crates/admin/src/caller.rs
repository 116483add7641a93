//! The callers of the API.

use std::{fmt, net::IpAddr, sync::Arc};

/// The caller of a request that was let in.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The name in audit events, such as `unix uid 1000`.
    pub(crate) actor: Arc<str>,
    /// `true` if it may read files of this machine as the guard does.
    pub(crate) is_local: bool,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    /// The uid, if the system knows it.
    Unix(Option<u32>),
    Tcp(IpAddr),
}

// === impl Peer ===

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(Some(uid)) => write!(f, "unix uid {uid}"),
            Self::Unix(None) => f.write_str("unix"),
            Self::Tcp(addr) => addr.fmt(f),
        }
    }
}
