//! The state of shared bans, for operators.

use std::{io, time::SystemTime};

/// The error of starting [`SharedBans`](super::SharedBans).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SharedError {
    /// The URL is not one of Redis.
    #[error("invalid URL of Redis: {0}; write redis://[user][:password@]host[:port][/db]")]
    Url(String),
    /// The authorities that verify the certificate of the server are invalid, or the URL is one without TLS.
    #[error("invalid certificate authorities of Redis: {0}")]
    Ca(String),
    /// The thread or its runtime could not be started.
    #[error("cannot start the thread of shared bans: {0}")]
    Thread(#[source] io::Error),
}

/// The state of [`SharedBans`](super::SharedBans) at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedStatus {
    /// The state.
    pub state: SharedState,
    /// The last error, also after the connection recovered. It contains no password.
    pub last_error: Option<Box<str>>,
    /// The wall-clock time of the last response of Redis.
    pub last_response: Option<SystemTime>,
    /// The number of changes that wait for Redis.
    pub queued: usize,
    /// The number of changes that found the queue full since the start.
    pub dropped: u64,
    /// The number of changes published since the start.
    pub published: u64,
    /// The number of changes of other instances received since the start.
    pub received: u64,
    /// The number of values and messages that were skipped since the start, because they are invalid or in a format
    /// that this version does not know.
    pub skipped: u64,
    /// The number of times that all bans were loaded since the start: once, and after changes may have been
    /// missed.
    pub loads: u64,
    /// `true` if counts of limits are exchanged ([`SharedBans::share_limits`](super::SharedBans::share_limits)).
    pub shares_limits: bool,
    /// The number of counts of limits published since the start.
    pub counts_published: u64,
    /// The number of counts of limits of other instances received since the start.
    pub counts_received: u64,
    /// The number of requests that were not counted for other instances, because too many keys were in use at
    /// once.
    pub uncounted: u64,
    /// The number of requests about which Redis decided for an exact limit.
    pub exact_decided: u64,
    /// The number of requests to which an exact limit applied, and about which Redis did not decide in time.
    pub exact_undecided: u64,
}

/// The states of the connection to Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SharedState {
    /// Not connected yet, or loading bans for the first time.
    #[default]
    Starting,
    /// Changes are exchanged.
    Ready,
    /// Redis does not respond. Changes are queued.
    Degraded,
    /// The thread has ended.
    Closed,
}
