//! Events about WebSocket diagnoses.

use std::{borrow::Cow, fmt, net::IpAddr, time::SystemTime};

use super::cut;
use crate::{Diagnosis, Escaped};

/// A [`Diagnosis`] of one WebSocket, or of several that ended alike.
///
/// If a denial makes the diagnosis, the denial's own event carries it
/// ([`Denial::diagnosis`](crate::Denial::diagnosis)) and no event of this kind is recorded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DiagnosisEvent {
    /// The wall-clock time.
    pub at: SystemTime,
    /// The diagnosis.
    pub diagnosis: Diagnosis,
    /// The client's address, or the peer's if no request was read.
    pub client: IpAddr,
    /// The requested path, at most [`DiagnosisEvent::MAX_PATH`] bytes; empty if no request was
    /// read. Print it with [`Escaped`].
    pub path: Box<[u8]>,
    /// The observation behind the diagnosis, at most [`DiagnosisEvent::MAX_SEEN`] bytes: numbers
    /// and status codes, with bytes from a client escaped.
    pub seen: Cow<'static, str>,
}

impl DiagnosisEvent {
    /// The maximum number of path bytes kept.
    pub const MAX_PATH: usize = 512;

    /// The maximum number of bytes of the observation kept.
    pub const MAX_SEEN: usize = 512;

    /// Creates an event about `client`'s WebSocket on `path`, diagnosed from `seen`.
    pub fn new(
        at: SystemTime,
        diagnosis: Diagnosis,
        client: IpAddr,
        path: &[u8],
        seen: impl Into<Cow<'static, str>>,
    ) -> Self {
        let end = path.len().min(Self::MAX_PATH);
        let seen = match seen.into() {
            Cow::Owned(seen) if seen.len() > Self::MAX_SEEN => {
                Cow::Owned(cut(&seen, Self::MAX_SEEN).to_owned())
            }
            seen => seen,
        };
        Self {
            at,
            diagnosis,
            client,
            path: path.get(..end).unwrap_or_default().into(),
            seen,
        }
    }
}

impl fmt::Display for DiagnosisEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.diagnosis, self.client)?;
        if !self.path.is_empty() {
            write!(f, ", \"{}\"", Escaped(&self.path))?;
        }
        write!(f, "): {}; {}", self.seen, self.diagnosis.advice())
    }
}
