//! Errors of compiling a policy, each with the path of the entry in the document.

use std::{error::Error, fmt, num::NonZeroU32, ops::Deref, vec};

use gabion_core::{Escaped, RuleIdError};
use ipnet::IpNet;

/// An entry that cannot be compiled, part of [`ConfigErrors`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct ConfigError {
    /// The path of the entry.
    pub path: ConfigPath,
    /// The reason.
    pub problem: Problem,
}

/// Every entry of a config that cannot be compiled, as [`Config::compile`](crate::Config::compile)
/// returns it.
///
/// Dereferences to a slice of [`ConfigError`]s. `Display` writes one line per entry.
///
/// # Examples
///
/// ```
/// use gabion_inspect::{Config, Context, DenyRule, State};
///
/// let rules = [
///     DenyRule::new("php").extensions(["php"]),
///     DenyRule::new("php").extensions(["a/b"]),
/// ];
/// let errors = rules.compile(&Context::new(&State::scratch())).unwrap_err();
/// let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
/// assert_eq!(errors[0], "deny[1].id: duplicate rule id `php`");
/// assert!(errors[1].starts_with("deny[1].extensions[0]: invalid name `a/b`"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

/// The path of an entry in a policy document, as [`ConfigError::path`]: `deny[3].prefix[0]`.
///
/// # Examples
///
/// ```
/// use gabion_inspect::ConfigPath;
///
/// let path = ConfigPath::new("deny", "prefix").rule(3).entry(0);
/// assert_eq!(path.to_string(), "deny[3].prefix[0]");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a path of at most four steps, built by callers"
)]
pub struct ConfigPath {
    /// The section, or `upgrade.route` for a list of rules in a section.
    pub section: &'static str,
    /// The index of the rule, from 0, if the section is a list of rules.
    pub rule: Option<usize>,
    /// The key. Empty if the error concerns the whole section or rule.
    pub key: &'static str,
    /// The index of the entry in the list under the key, from 0.
    pub entry: Option<usize>,
}

/// The reason in a [`ConfigError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The rule id has an invalid form.
    #[error(transparent)]
    Id(#[from] RuleIdError),
    /// Two rules have the same id.
    #[error("duplicate rule id `{0}`")]
    DuplicateId(String),
    /// A rule has no conditions, so that it can never match.
    #[error("rule `{rule}` has no conditions: add {parts}")]
    NothingToMatch {
        /// The rule id.
        rule: String,
        /// The keys that add a condition.
        parts: &'static str,
    },
    /// A path that no request path can match.
    #[error("invalid path `{}`: {why}", Escaped(.path.as_bytes()))]
    Path {
        /// The path as configured.
        path: String,
        /// The reason.
        why: &'static str,
    },
    /// A segment name or an extension that no path segment can match.
    #[error("invalid name `{}`: {why}", Escaped(.name.as_bytes()))]
    Name {
        /// The name as configured.
        name: String,
        /// The reason.
        why: &'static str,
    },
    /// A part of a `User-Agent` that is so short that too many honest agents contain it.
    #[error("`{}` is too short for `agents`: write at least 3 bytes", Escaped(.0.as_bytes()))]
    Agent(String),
    /// A regular expression that does not compile.
    #[error("regular expression `{}`: {why}", Escaped(.pattern.as_bytes()))]
    Regex {
        /// The expression as configured.
        pattern: String,
        /// The reason, from the regular expression compiler.
        why: String,
    },
    /// More items than the compiled form can hold.
    #[error("too many {what}: {found}, at most {most} are supported")]
    TooMany {
        /// The kind of item, in plural.
        what: &'static str,
        /// The number found.
        found: usize,
        /// The largest number supported.
        most: usize,
    },
    /// A value that is not valid for its key.
    #[error("invalid value `{}`: {why}", Escaped(.found.as_bytes()))]
    Value {
        /// The value as configured.
        found: String,
        /// The reason, or the valid values.
        why: &'static str,
    },
    /// A limit whose burst takes more than 366 days to refill.
    #[error("rule `{}` takes more than 366 days to refill its burst of {burst}", Escaped(.rule.as_bytes()))]
    Refill {
        /// The rule id.
        rule: String,
        /// The burst.
        burst: NonZeroU32,
    },
    /// A network of prefix length 0, which covers every client.
    #[error("`{0}` covers the whole address space")]
    WholeSpace(IpNet),
    /// A list that [`BanConfig::files`](crate::BanConfig::files) names and that
    /// [`Context::lists`](crate::Context::lists) lacks at its index.
    #[error("list `{}` is in `files` but was not loaded", Escaped(.0.as_bytes()))]
    MissingList(String),
    /// A list that [`Context::lists`](crate::Context::lists) holds and that
    /// [`BanConfig::files`](crate::BanConfig::files) does not name.
    #[error("list `{}` was loaded but is not in `files`", Escaped(.0.as_bytes()))]
    UnnamedList(String),
}

// === impl Problem ===

impl Problem {
    /// Returns an error if `found` exceeds `most`. `what` is the kind of item, in plural.
    pub(crate) fn at_most(what: &'static str, found: usize, most: usize) -> Result<(), Self> {
        if found > most {
            return Err(Self::TooMany { what, found, most });
        }
        Ok(())
    }
}

// === impl ConfigErrors ===

impl ConfigErrors {
    /// Returns an error if `errors` is not empty.
    pub(crate) fn check(errors: Vec<ConfigError>) -> Result<(), Self> {
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Self(errors))
        }
    }
}

impl Deref for ConfigErrors {
    type Target = [ConfigError];

    fn deref(&self) -> &[ConfigError] {
        &self.0
    }
}

impl IntoIterator for ConfigErrors {
    type Item = ConfigError;
    type IntoIter = vec::IntoIter<ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for error in &self.0 {
            write!(f, "{separator}{error}")?;
            separator = "\n";
        }
        Ok(())
    }
}

impl Error for ConfigErrors {}

// === impl ConfigPath ===

impl ConfigPath {
    /// Creates the path of a key in a section.
    pub const fn new(section: &'static str, key: &'static str) -> Self {
        Self {
            section,
            rule: None,
            key,
            entry: None,
        }
    }

    /// Adds the index of a rule in the section.
    pub const fn rule(self, rule: usize) -> Self {
        Self {
            rule: Some(rule),
            ..self
        }
    }

    /// Adds the index of an entry in the list at this path.
    pub const fn entry(self, entry: usize) -> Self {
        Self {
            entry: Some(entry),
            ..self
        }
    }

    /// Creates an error at this path.
    pub(crate) fn error(self, problem: impl Into<Problem>) -> ConfigError {
        ConfigError {
            path: self,
            problem: problem.into(),
        }
    }
}

impl fmt::Display for ConfigPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.section)?;
        if let Some(rule) = self.rule {
            write!(f, "[{rule}]")?;
        }
        if !self.key.is_empty() {
            write!(f, ".{}", self.key)?;
        }
        match self.entry {
            Some(entry) => write!(f, "[{entry}]"),
            None => Ok(()),
        }
    }
}
