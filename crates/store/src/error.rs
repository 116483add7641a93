//! Errors of the store and of its files.

use std::{io, time::Duration};

use crate::StoreProblem;

/// The error of a [`Store`](crate::Store) operation that waits for the disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The thread that writes could not be started.
    #[error("cannot start the thread of the store: {0}")]
    Thread(#[source] io::Error),
    /// A file does not work. Changes are kept in memory, and written when the file works again.
    #[error(
        "{file} does not work: {error}; the change is in force, but lost on restart until the file recovers"
    )]
    Degraded {
        /// The name of the file.
        file: &'static str,
        /// The error.
        error: Box<str>,
    },
    /// The disk did not complete the write in time. It may still complete.
    #[error("the disk of the store did not respond within {}", seconds(.0))]
    Timeout(Duration),
    /// The thread that writes has ended.
    #[error("the store is closed")]
    Closed,
}

/// The error of one file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("locked by another process, which may be the instance that this one replaces")]
    Locked,
    #[error("{0}")]
    Corrupt(String),
    #[error("written by another version of gabion ({0}); the file is not changed")]
    Version(String),
    #[error("{0}")]
    Io(#[source] io::Error),
    #[error("{0}")]
    Other(String),
}

fn seconds(time: &Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

// === impl FileError ===

impl FileError {
    /// The kind of the error, for [`crate::StoreStatus`].
    pub(crate) fn problem(&self) -> StoreProblem {
        match self {
            Self::Locked => StoreProblem::Locked,
            Self::Corrupt(_) => StoreProblem::Corrupt,
            Self::Version(_) => StoreProblem::Version,
            Self::Io(error) => match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreProblem::Full,
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                    StoreProblem::ReadOnly
                }
                _ => StoreProblem::Other,
            },
            Self::Other(_) => StoreProblem::Other,
        }
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // A file that is shorter than its header states.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Io(error),
        }
    }
}

impl From<redb::Error> for FileError {
    fn from(error: redb::Error) -> Self {
        use redb::Error;

        match error {
            Error::DatabaseAlreadyOpen | Error::LockProtocolMismatch => Self::Locked,
            Error::Corrupted(why) => Self::Corrupt(why),
            Error::Io(error) => error.into(),
            Error::UpgradeRequired(_)
            | Error::TableTypeMismatch { .. }
            | Error::TypeDefinitionChanged { .. }
            | Error::TableIsMultimap(_)
            | Error::TableIsNotMultimap(_) => Self::Version(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for FileError {
            fn from(error: redb::$error) -> Self {
                redb::Error::from(error).into()
            }
        })*
    };
}

from_redb!(
    CommitError,
    CompactionError,
    DatabaseError,
    StorageError,
    TableError,
    TransactionError
);
