//! The parts of a guard that outlive it, as the API sees them.

use serde::{Deserialize, Serialize};

/// The store of bans, for changes that are answered when they are durable.
///
/// # Examples
///
/// ```
/// use gabion_admin::{Durability, NotDurable, SubsystemStatus};
///
/// struct FullDisk;
///
/// impl Durability for FullDisk {
///     fn sync(&self) -> Result<(), NotDurable> {
///         Err(NotDurable::new("no space left on device"))
///     }
///
///     fn status(&self) -> SubsystemStatus {
///         SubsystemStatus::new("redb", false).with_detail("no space left on device")
///     }
/// }
///
/// assert_eq!(FullDisk.sync().unwrap_err().to_string(), "no space left on device");
/// ```
pub trait Durability: Send + Sync {
    /// Waits until every change of bans and exemptions so far is durable. It may block for seconds; the API calls it on
    /// a thread for that.
    ///
    /// # Errors
    ///
    /// The reason why it is not durable. The change is in force all the same.
    fn sync(&self) -> Result<(), NotDurable>;

    /// Returns the state for `/v1/status`. It does not block.
    fn status(&self) -> SubsystemStatus;
}

/// The connection to other instances.
pub trait SharedState: Send + Sync {
    /// Returns the state for `/v1/status`. It does not block.
    fn status(&self) -> SubsystemStatus;
}

/// The reason why a change is in force, but may be lost at the next restart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotDurable(Box<str>);

/// The state of a store, or of the connection to other instances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SubsystemStatus {
    /// The kind, such as `redb`; `none` if there is none.
    pub kind: String,
    /// `true` if it works.
    pub healthy: bool,
    /// Details, such as the last error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// No store, and no other instances: bans are in memory only.
pub(crate) struct Absent;

// === impl NotDurable ===

impl NotDurable {
    /// Creates an error with a reason.
    pub fn new(reason: impl Into<Box<str>>) -> Self {
        Self(reason.into())
    }
}

// === impl SubsystemStatus ===

impl SubsystemStatus {
    /// Creates a status without details.
    pub fn new(kind: impl Into<String>, healthy: bool) -> Self {
        Self {
            kind: kind.into(),
            healthy,
            detail: None,
        }
    }

    /// Sets details, such as the last error.
    pub fn with_detail(self, detail: impl Into<String>) -> Self {
        let detail = Some(detail.into());
        Self { detail, ..self }
    }
}

// === impl Absent ===

impl Durability for Absent {
    fn sync(&self) -> Result<(), NotDurable> {
        Ok(())
    }

    fn status(&self) -> SubsystemStatus {
        SubsystemStatus::new("none", true).with_detail("bans are in memory only")
    }
}

impl SharedState for Absent {
    fn status(&self) -> SubsystemStatus {
        SubsystemStatus::new("none", true)
    }
}
