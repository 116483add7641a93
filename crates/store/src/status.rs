//! The state of a store, for operators.

use std::{fmt, time::SystemTime};

/// The state of a [`Store`](crate::Store) at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStatus {
    /// The file of bans and exemptions.
    pub bans: PartStatus,
    /// The file of offenses and events.
    pub events: PartStatus,
    /// The number of updates that wait for the writer.
    pub queued: usize,
    /// The number of updates that found the queue full since the start. They were written from a snapshot,
    /// or will be.
    pub dropped_updates: u64,
    /// The number of events that were lost since the start, because the queue was full or the file did not
    /// work.
    pub dropped_events: u64,
}

/// The state of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartStatus {
    /// The state.
    pub state: PartState,
    /// The last error, also after the file recovered.
    pub last_error: Option<Box<str>>,
    /// The wall-clock time of the last durable write.
    pub last_sync: Option<SystemTime>,
    /// The size of the file in bytes.
    pub bytes: u64,
}

/// The states of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartState {
    /// The file is being opened for the first time.
    #[default]
    Starting,
    /// Changes are written.
    Ready,
    /// A write takes longer than a second. Changes wait in the queue.
    Slow,
    /// The file works, and misses changes until a [`BanSource`](gabion_core::BanSource) is attached.
    Incomplete,
    /// The file does not work. Changes are kept in memory.
    Degraded(StoreProblem),
    /// The thread that writes has ended.
    Closed,
}

/// The kinds of problems of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreProblem {
    /// No space is left.
    Full,
    /// The file or its folder may not be written.
    ReadOnly,
    /// Another process uses the folder.
    Locked,
    /// The file is damaged and could not be renamed.
    Corrupt,
    /// The file is in a format that this version does not know.
    Version,
    /// Any other error.
    Other,
}

// === impl PartState ===

impl fmt::Display for PartState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Slow => "slow",
            Self::Incomplete => "incomplete",
            Self::Closed => "closed",
            Self::Degraded(StoreProblem::Full) => "degraded: full",
            Self::Degraded(StoreProblem::ReadOnly) => "degraded: read-only",
            Self::Degraded(StoreProblem::Locked) => "degraded: locked",
            Self::Degraded(StoreProblem::Corrupt) => "degraded: corrupt",
            Self::Degraded(StoreProblem::Version) => "degraded: unknown version",
            Self::Degraded(StoreProblem::Other) => "degraded",
        })
    }
}
