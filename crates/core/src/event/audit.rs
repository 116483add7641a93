//! Changes by an operator.

use std::{fmt, sync::Arc, time::SystemTime};

use ipnet::IpNet;

use super::cut;

/// A change that an operator made, or tried to make, through an admin interface.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEvent {
    /// The wall-clock time.
    pub at: SystemTime,
    /// The operator as the interface knows it, such as `unix uid 1000` or `token from 127.0.0.1`.
    pub actor: Arc<str>,
    /// The change.
    pub action: AuditAction,
    /// The network of the client that it affects.
    pub network: Option<IpNet>,
    /// The result and the operator's reason, at most [`Self::MAX_DETAIL`] bytes of which are displayed.
    pub detail: Arc<str>,
}

/// The kinds of [`AuditEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditAction {
    /// A ban was placed.
    Ban,
    /// Bans were lifted.
    Unban,
    /// A client was exempted for a time.
    Allow,
    /// An exemption was ended.
    Disallow,
    /// The data of a client was erased.
    Forget,
    /// Bans were imported.
    Import,
    /// The interface refused a caller without valid credentials.
    Refused,
}

// === impl AuditEvent ===

impl AuditEvent {
    /// The maximum number of bytes of [`Self::detail`] that are displayed.
    pub const MAX_DETAIL: usize = 512;

    /// Creates an event about a change.
    pub fn new(
        at: SystemTime,
        actor: impl Into<Arc<str>>,
        action: AuditAction,
        network: Option<IpNet>,
        detail: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            at,
            actor: actor.into(),
            action,
            network,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for AuditEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actor = cut(&self.actor, Self::MAX_DETAIL).escape_debug();
        write!(f, "operator ({actor}): {}", self.action)?;
        if let Some(network) = self.network {
            write!(f, " {network}")?;
        }
        match cut(&self.detail, Self::MAX_DETAIL) {
            "" => Ok(()),
            detail => write!(f, ": {}", detail.escape_debug()),
        }
    }
}

// === impl AuditAction ===

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ban => "ban",
            Self::Unban => "unban",
            Self::Allow => "allow",
            Self::Disallow => "end of allow",
            Self::Forget => "forget",
            Self::Import => "import",
            Self::Refused => "refused",
        })
    }
}
