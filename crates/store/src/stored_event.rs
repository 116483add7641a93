//! Events as they are stored.

use std::{sync::Arc, time::SystemTime};

use ipnet::IpNet;

/// An event for reports, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a record of plain data")]
pub struct StoredEvent {
    /// The wall-clock time, stored in microseconds.
    pub at: SystemTime,
    /// The kind, such as `denied` or `banned`, of which [`Self::MAX_NAME`] bytes are stored.
    pub kind: Arc<str>,
    /// The network of the client, by which its events are erased.
    pub network: Option<IpNet>,
    /// The rule, of which [`Self::MAX_NAME`] bytes are stored.
    pub rule: Option<Arc<str>>,
    /// The text, of which [`Self::MAX_TEXT`] bytes are stored. The caller removes secrets from it
    /// ([`Redacted`](gabion_core::Redacted)).
    pub text: Arc<str>,
}

// === impl StoredEvent ===

impl StoredEvent {
    /// The maximum number of bytes of a kind or a rule.
    pub const MAX_NAME: usize = 64;
    /// The maximum number of bytes of a text.
    pub const MAX_TEXT: usize = 2_048;
}
