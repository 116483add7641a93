//! A session: a connection, or a stream of one, that became a WebSocket; or an answer that goes on
//! for as long as its client listens.

mod heed;
mod routes;
mod terms;

use std::fmt;

use crate::{Cause, RuleId};

pub use heed::{Heed, Heeders};
pub use routes::Routes;
pub use terms::{Reads, Terms};

/// A session's name: unique within the process that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u64);

/// What a session is to its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionKind {
    /// A WebSocket.
    Socket,
    /// An answer that goes on: server-sent events and the like.
    Stream,
}

/// Why a session is ended though neither of its sides has ended it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Ending {
    /// The policy in force refuses its client or its path.
    Refused(Cause),
    /// The server restarts.
    Restart,
    /// Its client broke the protocol, or asked for more than a budget.
    Broke {
        /// What it broke.
        rule: RuleId,
        /// The close code that says so (RFC 6455, 7.4).
        code: u16,
        /// Where the frame began: how many bytes the client sent before it.
        offset: u64,
    },
}

// === impl SessionId ===

impl SessionId {
    /// The `nth` session of its process.
    pub const fn new(nth: u64) -> Self {
        Self(nth)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === impl Ending ===

impl Ending {
    /// The code of the close frame (RFC 6455, 7.4.1): 1008 where a policy refuses, 1012 for a
    /// restart.
    pub const fn code(&self) -> u16 {
        match self {
            Self::Refused(_) => 1008,
            Self::Restart => 1012,
            Self::Broke { code, .. } => *code,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(cause) => cause.fmt(f),
            Self::Restart => f.write_str("the server restarts"),
            Self::Broke { rule, offset, .. } => {
                write!(f, "rule {rule} (in the frame at byte {offset})")
            }
        }
    }
}
