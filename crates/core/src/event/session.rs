//! Events about sessions.

use std::{fmt, time::SystemTime};

use crate::{ClientIp, CloseReason, Escaped, Mode, SessionId, SessionKind};

/// A session that was closed though neither of its sides ended it, or that would have been.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionEvent {
    /// The wall-clock time.
    pub at: SystemTime,
    /// The session.
    pub session: SessionId,
    /// The kind of session.
    pub kind: SessionKind,
    /// The client.
    pub client: ClientIp,
    /// The path of the handshake, at most [`SessionEvent::MAX_PATH`] bytes. Print it with
    /// [`Escaped`].
    pub path: Box<[u8]>,
    /// The generation of the policy that the session was opened under.
    pub generation: u64,
    /// The reason.
    pub ending: CloseReason,
    /// The mode: the session was closed, or would have been.
    pub mode: Mode,
}

impl SessionEvent {
    /// The maximum number of path bytes kept.
    pub const MAX_PATH: usize = 512;

    /// Creates an event about `client`'s session on `path`, closed for the reason `ending`.
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

    /// The result, such as `closed with 1008` or `would have been cut`.
    pub fn result(&self) -> impl fmt::Display {
        let code = self.ending.code();
        fmt::from_fn(move |f| match self.mode {
            _ if self.kind == SessionKind::EventStream => f.write_str("ended"),
            Mode::Enforce if self.ending.is_abrupt() => f.write_str("cut"),
            Mode::Observe if self.ending.is_abrupt() => f.write_str("would have been cut"),
            Mode::Enforce => write!(f, "closed with {code}"),
            Mode::Observe => write!(f, "would have been closed with {code}"),
        })
    }

    /// Sets whether the session was closed or would have been.
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }
}

impl fmt::Display for SessionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, session) = (self.client.addr(), self.session);
        write!(
            f,
            "{client} session {session} on \"{}\" ",
            Escaped(&self.path)
        )?;
        self.result().fmt(f)?;
        write!(f, ": {}", self.ending)
    }
}
