//! What is refused by its path, or by its agent.

use std::{fmt, str::FromStr};

use gabion_core::Mode;
use serde::{Deserialize, Serialize};

use crate::{OneOrMany, Period, config::serde_as_text};

/// One `[[deny]]` rule: it matches where any of its parts does, in any view of the path.
///
/// All parts of the path but `regex` ignore ASCII case, `;parameters`, and what file systems ignore at the end
/// of a name: dots, blanks, `::$DATA`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "plain data, written by hand")]
pub struct DenyRule {
    /// The rule's name in events.
    pub id: String,
    /// Whole paths.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub exact: OneOrMany,
    /// The path itself and everything under it, by segment: `/public` is not `/publicity`.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub prefix: OneOrMany,
    /// Names of a file or directory, on any segment.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub names: OneOrMany,
    /// Extensions, without the dot, on any segment.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub extensions: OneOrMany,
    /// Expressions, searched for in each view; case counts unless they say `(?i)`.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub regex: OneOrMany,
    /// Parts of a `User-Agent`, three bytes at least, in any case.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub agents: OneOrMany,
    /// What happens.
    #[serde(default)]
    pub then: Action,
    /// Whether it acts; the document's mode where it says nothing.
    #[serde(
        default,
        with = "crate::serde_mode",
        skip_serializing_if = "Option::is_none"
    )]
    pub mode: Option<Mode>,
}

/// What a rule does: `"403"`, `"404"`, `"ban"`, or `"ban 1h"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Answers 403.
    #[default]
    Forbid,
    /// Answers 404, so as not to confirm that a guard stands here.
    NotFound,
    /// Answers 403 and bans the client, for the time given or `[ban] first`.
    Ban(Option<Period>),
}

/// Why a text says nothing that a rule can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not \"403\", \"404\", \"ban\" nor \"ban 1h\"", gabion_core::Escaped(.0.as_bytes()))]
pub struct ActionError(String);

serde_as_text!(Action, "\"403\", \"404\", \"ban\" or \"ban 1h\"");

fn is_empty(strings: &OneOrMany) -> bool {
    strings.is_empty()
}

impl FromStr for Action {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, ActionError> {
        let refuse = || ActionError(text.to_owned());
        match text.split_once(' ') {
            None if text == "403" => Ok(Self::Forbid),
            None if text == "404" => Ok(Self::NotFound),
            None if text == "ban" => Ok(Self::Ban(None)),
            Some(("ban", period)) => match period.parse() {
                Ok(period) => Ok(Self::Ban(Some(period))),
                Err(_) => Err(refuse()),
            },
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbid => f.write_str("403"),
            Self::NotFound => f.write_str("404"),
            Self::Ban(None) => f.write_str("ban"),
            Self::Ban(Some(period)) => write!(f, "ban {period}"),
        }
    }
}

impl DenyRule {
    /// A rule that matches nothing yet.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            exact: OneOrMany::default(),
            prefix: OneOrMany::default(),
            names: OneOrMany::default(),
            extensions: OneOrMany::default(),
            regex: OneOrMany::default(),
            agents: OneOrMany::default(),
            then: Action::default(),
            mode: None,
        }
    }

    /// Matches these paths as a whole.
    pub fn exact<S: Into<String>>(self, paths: impl IntoIterator<Item = S>) -> Self {
        let exact = paths.into_iter().collect();
        Self { exact, ..self }
    }

    /// Matches these paths and what is under them.
    pub fn prefix<S: Into<String>>(self, paths: impl IntoIterator<Item = S>) -> Self {
        let prefix = paths.into_iter().collect();
        Self { prefix, ..self }
    }

    /// Matches segments with these names.
    pub fn names<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        let names = names.into_iter().collect();
        Self { names, ..self }
    }

    /// Matches segments with these extensions.
    pub fn extensions<S: Into<String>>(self, extensions: impl IntoIterator<Item = S>) -> Self {
        let extensions = extensions.into_iter().collect();
        Self { extensions, ..self }
    }

    /// Matches what these expressions find.
    pub fn regex<S: Into<String>>(self, patterns: impl IntoIterator<Item = S>) -> Self {
        let regex = patterns.into_iter().collect();
        Self { regex, ..self }
    }

    /// Matches agents that hold one of these parts.
    pub fn agents<S: Into<String>>(self, parts: impl IntoIterator<Item = S>) -> Self {
        let agents = parts.into_iter().collect();
        Self { agents, ..self }
    }

    /// Sets what happens.
    pub fn then(self, then: Action) -> Self {
        Self { then, ..self }
    }

    /// Sets whether it acts.
    pub fn mode(self, mode: Mode) -> Self {
        Self {
            mode: Some(mode),
            ..self
        }
    }
}
