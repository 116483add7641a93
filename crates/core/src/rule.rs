//! Rule names and modes.

use std::{fmt, sync::Arc};

/// The name of a rule, as used in the policy, in events and in `explain`.
///
/// Cheap to clone: a built-in name is static, any other is shared.
///
/// # Examples
///
/// ```
/// use gabion_core::RuleId;
///
/// assert_eq!(RuleId::new("no-php/scripts").unwrap().as_str(), "no-php/scripts");
/// assert!(RuleId::new("two words").is_err());
/// ```
#[derive(Clone)]
pub struct RuleId(Name);

#[derive(Clone)]
enum Name {
    Builtin(&'static str),
    Given(Arc<str>),
}

/// The mode of a rule: its denials are enforced, or only recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a denial is enforced or it is not")]
pub enum Mode {
    /// The request is denied.
    #[default]
    Enforce,
    /// The denial is recorded as an event, and judgment continues.
    Observe,
}

/// The error for an invalid [`RuleId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid rule id `{}`: use 1 to {} characters of a-z, A-Z, 0-9, `-`, `_`, `.`, `/`",
    crate::Escaped(.0.as_bytes()),
    RuleId::MAX_LEN
)]
pub struct RuleIdError(String);

// === impl RuleId ===

impl RuleId {
    /// The maximum length of a name, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Creates a name that is part of the program. It is not validated.
    pub const fn builtin(name: &'static str) -> Self {
        Self(Name::Builtin(name))
    }

    /// Creates a name from configuration.
    ///
    /// # Errors
    ///
    /// Rejects an empty name, a name of more than [`Self::MAX_LEN`] bytes, and characters that
    /// would need escaping in a log.
    pub fn new(name: &str) -> Result<Self, RuleIdError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        if name.is_empty() || name.len() > Self::MAX_LEN || !name.bytes().all(plain) {
            return Err(RuleIdError(name.to_owned()));
        }
        Ok(Self(Name::Given(name.into())))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Builtin(name) => name,
            Name::Given(name) => name,
        }
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for RuleId {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RuleId {}

impl PartialEq<str> for RuleId {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl std::hash::Hash for RuleId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

// === impl Mode ===

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
        })
    }
}
