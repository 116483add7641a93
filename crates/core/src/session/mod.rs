//! A session: a connection, or a stream of one, that became a WebSocket; or an answer that goes on
//! for as long as its client listens.

mod limits;
mod listener;
mod routes;

use std::{borrow::Cow, fmt};

use crate::{Cause, MessageEvidence, RuleId};

pub use limits::{MessageKinds, SessionLimits};
pub use listener::{ChangeListener, ChangeListeners};
pub use routes::RouteLimits;

/// A session's name: unique within the process that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u64);

/// What a session is to its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionKind {
    /// A WebSocket.
    WebSocket,
    /// An answer that goes on: server-sent events and the like.
    EventStream,
}

/// Why a session is ended though neither of its sides has ended it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The policy in force refuses its client or its path.
    Refused(Cause),
    /// The server restarts.
    Restart,
    /// Its client broke the protocol, or asked for more than a budget.
    Violated {
        /// What it broke.
        rule: RuleId,
        /// The close code that says so (RFC 6455, 7.4).
        code: u16,
        /// Where the frame began: how many bytes the client sent before it.
        offset: u64,
    },
    /// A rule has something against a message of its client's.
    MessageDenied {
        /// The rule.
        rule: RuleId,
        /// Why, in words of the rule's.
        why: Cow<'static, str>,
        /// Which message, without what it said.
        message: MessageEvidence,
    },
    /// Its messages are to be judged and cannot be, for the reason given.
    Uninspectable(&'static str),
    /// Its client answers no pings.
    NoPong,
    /// Its client takes nothing of what the service has for it.
    WriteStall,
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

impl CloseReason {
    /// The code of the close frame (RFC 6455, 7.4.1): 1008 where a policy refuses, 1012 for a
    /// restart, 1011 where judging fails; 1006, which is never sent, where the client would not read
    /// it and the socket is cut.
    pub const fn code(&self) -> u16 {
        match self {
            Self::Refused(_) | Self::MessageDenied { .. } => 1008,
            Self::Restart => 1012,
            Self::Violated { code, .. } => *code,
            Self::Uninspectable(_) => 1011,
            Self::NoPong | Self::WriteStall => 1006,
        }
    }

    /// Whether the socket is cut without a close frame.
    pub const fn cuts(&self) -> bool {
        self.code() == 1006
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(cause) => cause.fmt(f),
            Self::Restart => f.write_str("the server restarts"),
            Self::Violated { rule, offset, .. } => {
                write!(f, "rule {rule} (in the frame at byte {offset})")
            }
            Self::MessageDenied { rule, why, message } => {
                write!(f, "rule {rule}: {why} ({message})")
            }
            Self::Uninspectable(why) => write!(f, "its messages cannot be judged: {why}"),
            Self::NoPong => f.write_str("the client answers no pings"),
            Self::WriteStall => {
                f.write_str("the client takes nothing of what the service has for it")
            }
        }
    }
}
