//! What happened to the policy.

use std::{fmt, sync::Arc, time::Duration};

/// What happened to the policy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PolicyEvent {
    /// A new policy is in force.
    Replaced {
        /// Its generation.
        generation: u64,
        /// How many rules it holds.
        rules: usize,
    },
    /// A document was refused; the old policy stays in force.
    Kept {
        /// The generation that stays.
        generation: u64,
        /// Every reason, for a person.
        why: Arc<str>,
    },
    /// Somebody has asked that nothing be enforced for a while.
    ObserveOverride {
        /// For how long; none where it ends.
        left: Duration,
    },
}

// === impl PolicyEvent ===

impl fmt::Display for PolicyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced { generation, rules } => {
                write!(f, "policy {generation} in force, {rules} rules")
            }
            Self::Kept { generation, why } => {
                write!(f, "policy {generation} stays in force: {why}")
            }
            Self::ObserveOverride { left } if left.is_zero() => {
                f.write_str("rules are enforced again")
            }
            Self::ObserveOverride { left } => {
                write!(
                    f,
                    "NOTHING IS ENFORCED for {} s: rules only observe",
                    left.as_secs()
                )
            }
        }
    }
}
