//! Remaining quota of a rate limit.

use std::time::Duration;

use crate::RuleId;

/// The state of a rate limit for one client, after the current request. Sent in response headers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the numbers of two headers")]
pub struct Quota {
    /// The rule.
    pub rule: RuleId,
    /// The number of requests per window.
    pub limit: u32,
    /// The window.
    pub window: Duration,
    /// The number of requests left now.
    pub remaining: u32,
    /// The time until the full quota is available again; if nothing remains, the time until a retry
    /// can succeed.
    pub reset: Duration,
}
