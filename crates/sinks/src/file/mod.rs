//! Log files that are written by a thread of their own, with rotation.

mod archive;
mod queue;
mod rotating;
mod writer;

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

pub use self::writer::{LineLog, OnLogEvent};

/// The destination of a [`LineLog`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// A file, with its rotation.
    File(PathBuf, Rotation),
}

/// When a log file is renamed and a new one begun, and what becomes of the old ones.
///
/// A file `access.log` is renamed to `access.log.20261201T024327Z`, by the time of the rotation in UTC, and
/// compressed to `access.log.20261201T024327Z.gz`, which `zcat` reads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "four settings")]
pub struct Rotation {
    /// The size that a file does not exceed, in bytes: 100 MiB by default. A single longer line is an exception.
    pub size: NonZeroU64,
    /// The period of a file, in UTC, such as an hour or a day; `None`, the default, for no limit.
    pub every: Option<Duration>,
    /// The number of old files that are kept: 10 by default.
    pub keep: usize,
    /// `true`, the default, if old files are compressed.
    pub compress: bool,
}

// === impl Rotation ===

impl Default for Rotation {
    fn default() -> Self {
        const SIZE: NonZeroU64 = NonZeroU64::MIN.saturating_add(100 * 1024 * 1024 - 1);
        Self {
            size: SIZE,
            every: None,
            keep: 10,
            compress: true,
        }
    }
}

#[cfg(test)]
mod tests;
