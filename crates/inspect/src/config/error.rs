//! Why a configuration cannot be compiled, and where.

use std::{error::Error, fmt, ops::Deref, vec};

use gabion_core::{Escaped, RuleIdError};
use ipnet::IpNet;

use crate::ListRejection;

/// One entry that cannot be compiled. Compilers report all of them at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ConfigError {
    /// Where it stands.
    pub place: ConfigPath,
    /// What is wrong with it.
    pub problem: Problem,
}

/// Every entry of a configuration that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

/// A place in a configuration: `deny[3].prefix[0]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a path of at most four steps, made by hand"
)]
pub struct ConfigPath {
    /// The section; `upgrade.route` for a list of rules within one.
    pub section: &'static str,
    /// The rule within it, from 0, where the section is a list of rules.
    pub rule: Option<usize>,
    /// The key; empty where the section or rule as a whole is meant.
    pub key: &'static str,
    /// The entry within the key's list, from 0.
    pub entry: Option<usize>,
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A rule's name is unusable.
    #[error(transparent)]
    Id(#[from] RuleIdError),
    /// Two rules share a name.
    #[error("another rule is named `{0}` already")]
    DuplicateId(String),
    /// A rule that nothing can match.
    #[error("rule `{rule}` has nothing to match: give it {parts}")]
    NothingToMatch {
        /// The rule's name.
        rule: String,
        /// What it could have.
        parts: &'static str,
    },
    /// A path that cannot be a rule's.
    #[error("`{}` is not a path that a rule can match: {why}", Escaped(.path.as_bytes()))]
    Path {
        /// What was written.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A segment's name or extension that cannot be a rule's.
    #[error("`{}` is not one name: {why}", Escaped(.name.as_bytes()))]
    Name {
        /// What was written.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A part of an agent that too many agents hold.
    #[error("`{}` is too short for a part of an agent: 3 bytes are needed", Escaped(.0.as_bytes()))]
    Agent(String),
    /// An expression that does not compile.
    #[error("expression `{}`: {why}", Escaped(.pattern.as_bytes()))]
    Regex {
        /// What was written.
        pattern: String,
        /// What is wrong with it, in the words of the compiler of expressions.
        why: String,
    },
    /// More than the engine is made for.
    #[error("{found} {what}, at most {most} are compiled")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A value that means nothing where it stands.
    #[error("`{}` {why}", Escaped(.found.as_bytes()))]
    Value {
        /// What was written.
        found: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A network that would hit nearly everyone.
    #[error("{0} is the whole address space")]
    WholeSpace(IpNet),
    /// A list that is named, and was not handed over at its place.
    #[error("list `{}` was not read", Escaped(.0.as_bytes()))]
    MissingList(String),
    /// A list that was handed over, and is not named.
    #[error("list `{}` was read and is not named", Escaped(.0.as_bytes()))]
    UnnamedList(String),
    /// A ban list that makes no sense.
    #[error("{}:{line}: {why}", Escaped(.list.as_bytes()))]
    ListRejection {
        /// The list.
        list: String,
        /// The line of its network, from 1.
        line: u32,
        /// Why not.
        why: ListRejection,
    },
}

// === impl ConfigErrors ===

impl ConfigErrors {
    /// Fails where there is any.
    pub(crate) fn any(errors: Vec<ConfigError>) -> Result<(), Self> {
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
        let mut between = "";
        for error in &self.0 {
            write!(f, "{between}{error}")?;
            between = "\n";
        }
        Ok(())
    }
}

impl Error for ConfigErrors {}

// === impl Place ===

impl ConfigPath {
    /// A place in a section.
    pub const fn new(section: &'static str, key: &'static str) -> Self {
        Self {
            section,
            rule: None,
            key,
            entry: None,
        }
    }

    /// The same place in a rule of the section.
    pub const fn rule(self, rule: usize) -> Self {
        Self {
            rule: Some(rule),
            ..self
        }
    }

    /// An entry of the list at this place.
    pub const fn entry(self, entry: usize) -> Self {
        Self {
            entry: Some(entry),
            ..self
        }
    }

    /// Something wrong at this place.
    pub(crate) fn refuse(self, problem: impl Into<Problem>) -> ConfigError {
        ConfigError {
            place: self,
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
