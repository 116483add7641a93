//! Events about the servers behind a reverse proxy.

use std::{fmt, time::SystemTime};

use super::cut;

/// A change of the state of one upstream server: one event for each change, and none for each request.
///
/// # Examples
///
/// ```
/// use std::time::UNIX_EPOCH;
/// use gabion_core::{UpstreamEvent, UpstreamState::{Ejected, Up}};
///
/// let event = UpstreamEvent::new(UNIX_EPOCH, "http://10.0.0.1:5000", (Up, Ejected), "3 failures");
/// assert_eq!(
///     event.to_string(),
///     "upstream http://10.0.0.1:5000 is ejected, it was up: 3 failures"
/// );
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UpstreamEvent {
    /// The wall-clock time.
    pub at: SystemTime,
    /// The URL of the upstream, from the configuration, at most [`UpstreamEvent::MAX_TEXT`] bytes.
    pub upstream: Box<str>,
    /// The state before.
    pub old: UpstreamState,
    /// The state from now on.
    pub new: UpstreamState,
    /// The reason, at most [`UpstreamEvent::MAX_TEXT`] bytes. Bytes from the upstream are escaped in it.
    pub reason: Box<str>,
}

/// The state of an upstream server, as far as a reverse proxy knows it.
///
/// If several apply, the state is the first of: unhealthy, ejected, unresolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a report must distinguish every state"
)]
pub enum UpstreamState {
    /// It gets requests.
    Up,
    /// Active health checks fail: it gets no requests while others are available.
    Unhealthy,
    /// Requests failed: it gets none for a time, and stays in this state until one succeeds.
    Ejected,
    /// Its name does not resolve: requests use open connections, and new connections fail.
    Unresolved,
}

// === impl UpstreamEvent ===

impl UpstreamEvent {
    /// The maximum number of bytes of each text that are kept.
    pub const MAX_TEXT: usize = 512;

    /// Creates an event about a change from the state `old` to `new`.
    pub fn new(
        at: SystemTime,
        upstream: &str,
        (old, new): (UpstreamState, UpstreamState),
        reason: &str,
    ) -> Self {
        Self {
            at,
            upstream: cut(upstream, Self::MAX_TEXT).into(),
            old,
            new,
            reason: cut(reason, Self::MAX_TEXT).into(),
        }
    }
}

impl fmt::Display for UpstreamEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            upstream, old, new, ..
        } = self;
        write!(
            f,
            "upstream {upstream} is {new}, it was {old}: {}",
            self.reason
        )
    }
}

// === impl UpstreamState ===

impl UpstreamState {
    /// Returns the word for it in logs, such as `ejected`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Unhealthy => "unhealthy",
            Self::Ejected => "ejected",
            Self::Unresolved => "unresolved",
        }
    }
}

impl fmt::Display for UpstreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
