//! Sessions: WebSockets, and responses that stream for as long as the client listens.

mod limits;
mod listener;
mod routes;

use std::{borrow::Cow, fmt};

use crate::{Cause, MessageEvidence, RuleId};

pub use limits::{MessageKinds, SessionLimits};
pub use listener::{ChangeListener, ChangeListeners};
pub use routes::RouteLimits;

/// The number of a session, unique within its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u64);

/// The kinds of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionKind {
    /// A WebSocket.
    WebSocket,
    /// A streaming response, such as server-sent events.
    EventStream,
}

/// The reason why a session is closed although neither of its sides ended it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The current policy denies the session's client or path.
    Refused(Cause),
    /// The server restarts.
    Restart,
    /// The client violated the protocol or exceeded a limit.
    Violated {
        /// The violated rule.
        rule: RuleId,
        /// The close code (RFC 6455, 7.4).
        code: u16,
        /// The start of the frame: the number of bytes that the client sent before it.
        offset: u64,
    },
    /// A rule denied a message of the client.
    MessageDenied {
        /// The rule.
        rule: RuleId,
        /// The reason, in the rule's words.
        why: Cow<'static, str>,
        /// The position, length and hash of the message.
        message: MessageEvidence,
    },
    /// Messages must be inspected and cannot be, for the given reason.
    Uninspectable(&'static str),
    /// The client does not answer pings.
    NoPong,
    /// The client does not read the bytes that the service sends.
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

// === impl CloseReason ===

impl CloseReason {
    /// The code of the close frame (RFC 6455, 7.4.1): 1008 if a policy denies, 1012 for a restart,
    /// 1011 if inspection fails; 1006, which is never sent, if the client would not read a close
    /// frame and the connection is reset.
    pub const fn code(&self) -> u16 {
        match self {
            Self::Refused(_) | Self::MessageDenied { .. } => 1008,
            Self::Restart => 1012,
            Self::Violated { code, .. } => *code,
            Self::Uninspectable(_) => 1011,
            Self::NoPong | Self::WriteStall => 1006,
        }
    }

    /// Returns `true` if the connection ends without a close frame.
    pub const fn is_abrupt(&self) -> bool {
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
            Self::Uninspectable(why) => write!(f, "messages cannot be inspected: {why}"),
            Self::NoPong => f.write_str("the client does not answer pings"),
            Self::WriteStall => f.write_str("the client does not read what the server sends"),
        }
    }
}
