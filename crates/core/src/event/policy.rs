//! Events about the policy.

use std::{fmt, sync::Arc, time::Duration};

use super::cut;

/// A change, or a rejected change, of the policy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PolicyEvent {
    /// A new policy is in force.
    Replaced {
        /// The generation of the new policy.
        generation: u64,
        /// The number of rules in it.
        rules: usize,
    },
    /// A new document was rejected; the old policy stays in force.
    Kept {
        /// The generation of the policy that stays in force.
        generation: u64,
        /// The errors of the rejected document, at most [`PolicyEvent::MAX_WHY`] bytes
        /// ([`PolicyEvent::kept`]).
        why: Arc<str>,
    },
    /// The new policy in force has settings that are valid but possibly not intended, or lists with
    /// unreadable lines that are skipped.
    Warned {
        /// The generation of the policy.
        generation: u64,
        /// The warnings, at most [`PolicyEvent::MAX_WHY`] bytes ([`PolicyEvent::warned`]).
        why: Arc<str>,
    },
    /// The files of the policy have the content again that is in force, after a rejected one.
    Restored {
        /// The generation of the policy in force.
        generation: u64,
    },
    /// An operator suspended enforcement for a time, or resumed it.
    ObserveOverride {
        /// The remaining time; zero if enforcement resumes.
        left: Duration,
    },
}

// === impl PolicyEvent ===

impl PolicyEvent {
    /// The maximum number of bytes of errors that are kept.
    pub const MAX_WHY: usize = 16 * 1024;

    /// Creates an event about a document that was rejected for the errors `why`.
    pub fn kept(generation: u64, why: &str) -> Self {
        let why = kept_why(why);
        Self::Kept { generation, why }
    }

    /// Creates an event about the warnings `why` of a policy in force.
    pub fn warned(generation: u64, why: &str) -> Self {
        let why = kept_why(why);
        Self::Warned { generation, why }
    }
}

impl fmt::Display for PolicyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced { generation, rules } => {
                write!(f, "policy {generation} in force, {rules} rules")
            }
            Self::Kept { generation, why } => {
                write!(
                    f,
                    "new policy rejected; policy {generation} stays in force: {why}"
                )
            }
            Self::Warned { generation, why } => {
                write!(f, "policy {generation} has warnings: {why}")
            }
            Self::Restored { generation } => write!(
                f,
                "the files of the policy are valid again: they are those of policy {generation}, which is \
                 in force"
            ),
            Self::ObserveOverride { left } if left.is_zero() => {
                f.write_str("rules are enforced again")
            }
            Self::ObserveOverride { left } => {
                write!(
                    f,
                    "NOTHING IS ENFORCED for {} s: all rules are in observe mode",
                    left.as_secs()
                )
            }
        }
    }
}

/// The start of errors or warnings, of at most [`PolicyEvent::MAX_WHY`] bytes.
fn kept_why(why: &str) -> Arc<str> {
    let start = cut(why, PolicyEvent::MAX_WHY);
    match why.len() - start.len() {
        0 => why.into(),
        more => format!("{start}… ({more} more bytes; see `guard check`)").into(),
    }
}
