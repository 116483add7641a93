//! What happened to a session.

use std::{fmt, time::SystemTime};

use crate::{ClientIp, Ending, Escaped, SessionId};

/// A session that was ended though neither of its sides had ended it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionEvent {
    /// When, for people.
    pub at: SystemTime,
    /// Which.
    pub session: SessionId,
    /// Whose.
    pub client: ClientIp,
    /// The path that it was opened on, at most [`SessionEvent::MAX_PATH`] bytes. Print it escaped.
    pub path: Box<[u8]>,
    /// The policy that it was opened under.
    pub generation: u64,
    /// Why.
    pub ending: Ending,
}

impl SessionEvent {
    /// How many bytes of the path are kept.
    pub const MAX_PATH: usize = 512;

    /// `client`'s session on `path` was ended.
    pub fn new(
        at: SystemTime,
        session: SessionId,
        client: ClientIp,
        path: &[u8],
        generation: u64,
        ending: Ending,
    ) -> Self {
        let end = path.len().min(Self::MAX_PATH);
        Self {
            at,
            session,
            client,
            path: path.get(..end).unwrap_or_default().into(),
            generation,
            ending,
        }
    }
}

impl fmt::Display for SessionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} session {} on {} closed with {}: {}",
            self.client.addr(),
            self.session,
            Escaped(&self.path),
            self.ending.code(),
            self.ending
        )
    }
}
