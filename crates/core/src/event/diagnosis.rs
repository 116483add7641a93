//! What is wrong with a WebSocket.

use std::{borrow::Cow, fmt, net::IpAddr, time::SystemTime};

use crate::{Diagnosis, Escaped};

/// A diagnosis of one socket, or of several that ended alike.
///
/// Where a denial makes the diagnosis, the denial's own event bears it
/// ([`Denial::diagnosis`](crate::Denial::diagnosis)) and there is none of these.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DiagnosisEvent {
    /// When, for people.
    pub at: SystemTime,
    /// What.
    pub diagnosis: Diagnosis,
    /// Whose socket: the client, or the peer where no request was read.
    pub client: IpAddr,
    /// The path that was asked for, at most [`DiagnosisEvent::MAX_PATH`] bytes; empty where none was
    /// read. Print it escaped.
    pub path: Box<[u8]>,
    /// What was seen, in words of ours: figures, statuses, never a client's bytes.
    pub seen: Cow<'static, str>,
}

impl DiagnosisEvent {
    /// How many bytes of the path are kept.
    pub const MAX_PATH: usize = 512;

    /// `diagnosis` of `client`'s socket on `path`, made from what was `seen`.
    pub fn new(
        at: SystemTime,
        diagnosis: Diagnosis,
        client: IpAddr,
        path: &[u8],
        seen: impl Into<Cow<'static, str>>,
    ) -> Self {
        let end = path.len().min(Self::MAX_PATH);
        Self {
            at,
            diagnosis,
            client,
            path: path.get(..end).unwrap_or_default().into(),
            seen: seen.into(),
        }
    }
}

impl fmt::Display for DiagnosisEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.diagnosis, self.client)?;
        if !self.path.is_empty() {
            write!(f, " on {}", Escaped(&self.path))?;
        }
        write!(f, " ({}); {}", self.seen, self.diagnosis.advice())
    }
}
