//! What is left of a limit.

use std::time::Duration;

use crate::RuleId;

/// A limit as one client sees it, after the request at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the numbers of two headers")]
pub struct Quota {
    /// The rule.
    pub rule: RuleId,
    /// How many requests fit into the window.
    pub limit: u32,
    /// The window.
    pub window: Duration,
    /// How many are left right now.
    pub remaining: u32,
    /// When all of them will be there again; where none is left, when it is worth trying again.
    pub reset: Duration,
}
