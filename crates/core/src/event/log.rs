//! Events about log files.

use std::{fmt, time::SystemTime};

use super::cut;

/// A change of the state of a log that gabion writes: an outage and its end, or lost lines.
///
/// # Examples
///
/// ```
/// use std::time::UNIX_EPOCH;
/// use gabion_core::LogEvent;
///
/// let event = LogEvent::degraded(UNIX_EPOCH, "access.log", "no space left on device");
/// assert_eq!(
///     event.to_string(),
///     "log access.log: no space left on device; lines are lost until it can be written"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogEvent {
    /// The wall-clock time.
    pub at: SystemTime,
    /// The path of the log from the configuration, or `stdout`; at most [`LogEvent::MAX_TEXT`] bytes.
    pub log: Box<str>,
    /// The change.
    pub change: LogChange,
}

/// The kinds of [`LogEvent`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogChange {
    /// The log cannot be written.
    Degraded {
        /// The error, at most [`LogEvent::MAX_TEXT`] bytes.
        error: Box<str>,
    },
    /// The log can be written again.
    Recovered,
    /// Lines were lost: they found the queue full, or could not be written.
    Dropped {
        /// The number of lines since the last report.
        lines: u64,
    },
}

// === impl LogEvent ===

impl LogEvent {
    /// The maximum number of bytes of each text that are kept.
    pub const MAX_TEXT: usize = 512;

    /// Creates an event about a log that cannot be written because of `error`.
    pub fn degraded(at: SystemTime, log: &str, error: &str) -> Self {
        let error = cut(error, Self::MAX_TEXT).into();
        Self::new(at, log, LogChange::Degraded { error })
    }

    /// Creates an event about a log that can be written again.
    pub fn recovered(at: SystemTime, log: &str) -> Self {
        Self::new(at, log, LogChange::Recovered)
    }

    /// Creates an event about lost lines.
    pub fn dropped(at: SystemTime, log: &str, lines: u64) -> Self {
        Self::new(at, log, LogChange::Dropped { lines })
    }

    fn new(at: SystemTime, log: &str, change: LogChange) -> Self {
        let log = cut(log, Self::MAX_TEXT).into();
        Self { at, log, change }
    }
}

impl fmt::Display for LogEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = &self.log;
        match &self.change {
            LogChange::Degraded { error } => write!(
                f,
                "log {log}: {error}; lines are lost until it can be written"
            ),
            LogChange::Recovered => write!(f, "log {log}: recovered"),
            LogChange::Dropped { lines } => write!(f, "log {log}: {lines} lines were lost"),
        }
    }
}
