//! What happened to a session.

use std::{fmt, time::SystemTime};

use crate::{ClientIp, CloseReason, Escaped, Mode, SessionId, SessionKind};

/// A session that was ended though neither of its sides had ended it, or would have been.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionEvent {
    /// When, for people.
    pub at: SystemTime,
    /// Which.
    pub session: SessionId,
    /// What it is.
    pub kind: SessionKind,
    /// Whose.
    pub client: ClientIp,
    /// The path that it was opened on, at most [`SessionEvent::MAX_PATH`] bytes. Print it escaped.
    pub path: Box<[u8]>,
    /// The policy that it was opened under.
    pub generation: u64,
    /// Why.
    pub ending: CloseReason,
    /// Whether it was.
    pub mode: Mode,
}

impl SessionEvent {
    /// How many bytes of the path are kept.
    pub const MAX_PATH: usize = 512;

    /// `client`'s session on `path` was ended.
    pub fn new(
        at: SystemTime,
        session: SessionId,
        kind: SessionKind,
        client: ClientIp,
        path: &[u8],
        generation: u64,
        ending: CloseReason,
    ) -> Self {
        let end = path.len().min(Self::MAX_PATH);
        Self {
            at,
            session,
            kind,
            client,
            path: path.get(..end).unwrap_or_default().into(),
            generation,
            ending,
            mode: Mode::Enforce,
        }
    }

    /// Sets whether it was ended.
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }
}

impl fmt::Display for SessionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, session) = (self.client.addr(), self.session);
        write!(f, "{client} session {session} on {} ", Escaped(&self.path))?;
        let (kind, code) = (self.kind, self.ending.code());
        match self.mode {
            _ if kind == SessionKind::EventStream => f.write_str("ended"),
            Mode::Enforce if self.ending.cuts() => f.write_str("cut"),
            Mode::Observe if self.ending.cuts() => f.write_str("would be cut"),
            Mode::Enforce => write!(f, "closed with {code}"),
            Mode::Observe => write!(f, "would be closed with {code}"),
        }?;
        write!(f, ": {}", self.ending)
    }
}
