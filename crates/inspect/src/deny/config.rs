//! The `[[deny]]` section.

use std::{fmt, str::FromStr};

use gabion_core::Mode;
use serde::{Deserialize, Serialize};

use crate::{OneOrMany, Period, config::serde_as_text};

/// A `[[deny]]` rule. It matches if any of its conditions matches any view of the path. Compiles to
/// [`Deny`](crate::Deny).
///
/// All path conditions except `regex` ignore ASCII case, `;parameters`, and the suffixes that file
/// systems ignore: dots, blanks and NTFS streams.
///
/// # Examples
///
/// ```
/// use gabion_inspect::{Config, Context, DenyRule, State};
///
/// let rule: DenyRule = toml::from_str("id = 'secrets'\nnames = ['.env', '.git']\nthen = 'ban 1h'")?;
/// let deny = [rule].compile(&Context::new(&State::scratch()))?;
/// assert!(deny.judges(b"/app/.env").is_some());
/// assert!(deny.judges(b"/app/environment").is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DenyRule {
    /// The rule id in events.
    pub id: String,
    /// Entire paths.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub exact: OneOrMany,
    /// Paths with everything below them, by segment: `/public` does not match `/publicity`.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub prefix: OneOrMany,
    /// Names of files or directories, on any segment. `.env.*` stands for `.env` with any extension but
    /// that of a page (`htm`, `html`, `md`, `mdx`).
    #[serde(default, skip_serializing_if = "is_empty")]
    pub names: OneOrMany,
    /// Extensions without the dot, on any segment.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub extensions: OneOrMany,
    /// Matches extensions in a URL inside the path, too, such as `/proxy/https://example.com/a.php`, which
    /// names a file of another server. Default: `true`.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub in_urls: bool,
    /// Regular expressions, searched in each view. Case-sensitive unless they begin with `(?i)`.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub regex: OneOrMany,
    /// Substrings of the `User-Agent` header, at least 3 bytes, in any case.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub agents: OneOrMany,
    /// The action on a match. Default: [`Action::Forbid`].
    #[serde(default)]
    pub then: Action,
    /// The mode. Default: the mode of the document ([`Context::mode`](crate::Context::mode)).
    #[serde(
        default,
        with = "crate::serde_mode",
        skip_serializing_if = "Option::is_none"
    )]
    pub mode: Option<Mode>,
}

/// The action of a [`DenyRule`]: `"403"`, `"404"`, `"ban"`, or `"ban 1h"`.
///
/// # Examples
///
/// ```
/// use gabion_inspect::Action;
///
/// assert_eq!("404".parse(), Ok(Action::NotFound));
/// assert_eq!("ban".parse(), Ok(Action::Ban(None)));
///
/// let error = "refuse".parse::<Action>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "invalid action `refuse`: write `403`, `404`, `ban` or `ban 1h`",
/// );
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Denies with 403.
    #[default]
    Forbid,
    /// Denies with 404, which does not reveal that a firewall denied the request.
    NotFound,
    /// Denies with 403 and bans the client for the given time, or for
    /// [`BanConfig::first`](crate::BanConfig::first).
    Ban(Option<Period>),
}

/// The error of a text that is not an [`Action`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid action `{}`: write `403`, `404`, `ban` or `ban 1h`", gabion_core::Escaped(.0.as_bytes()))]
pub struct ActionError(String);

serde_as_text!(Action, "\"403\", \"404\", \"ban\" or \"ban 1h\"");

fn is_empty(strings: &OneOrMany) -> bool {
    strings.is_empty()
}

const fn yes() -> bool {
    true
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
const fn is_yes(value: &bool) -> bool {
    *value
}

impl FromStr for Action {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, ActionError> {
        let invalid = || ActionError(text.to_owned());
        match text.split_once(' ') {
            None if text == "403" => Ok(Self::Forbid),
            None if text == "404" => Ok(Self::NotFound),
            None if text == "ban" => Ok(Self::Ban(None)),
            Some(("ban", period)) => match period.parse() {
                Ok(period) => Ok(Self::Ban(Some(period))),
                Err(_) => Err(invalid()),
            },
            _ => Err(invalid()),
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
    /// Creates a rule without conditions.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            exact: OneOrMany::default(),
            prefix: OneOrMany::default(),
            names: OneOrMany::default(),
            extensions: OneOrMany::default(),
            in_urls: true,
            regex: OneOrMany::default(),
            agents: OneOrMany::default(),
            then: Action::default(),
            mode: None,
        }
    }

    /// Sets the entire paths to match.
    pub fn exact<S: Into<String>>(self, paths: impl IntoIterator<Item = S>) -> Self {
        let exact = paths.into_iter().collect();
        Self { exact, ..self }
    }

    /// Sets the path prefixes to match.
    pub fn prefix<S: Into<String>>(self, paths: impl IntoIterator<Item = S>) -> Self {
        let prefix = paths.into_iter().collect();
        Self { prefix, ..self }
    }

    /// Sets the segment names to match.
    pub fn names<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        let names = names.into_iter().collect();
        Self { names, ..self }
    }

    /// Sets the segment extensions to match.
    pub fn extensions<S: Into<String>>(self, extensions: impl IntoIterator<Item = S>) -> Self {
        let extensions = extensions.into_iter().collect();
        Self { extensions, ..self }
    }

    /// Excludes extensions in a URL inside the path: sets [`Self::in_urls`] to `false`.
    pub fn except_in_urls(self) -> Self {
        let in_urls = false;
        Self { in_urls, ..self }
    }

    /// Sets the regular expressions to search for.
    pub fn regex<S: Into<String>>(self, patterns: impl IntoIterator<Item = S>) -> Self {
        let regex = patterns.into_iter().collect();
        Self { regex, ..self }
    }

    /// Sets the substrings of the user agent to match.
    pub fn agents<S: Into<String>>(self, parts: impl IntoIterator<Item = S>) -> Self {
        let agents = parts.into_iter().collect();
        Self { agents, ..self }
    }

    /// Sets the action.
    pub fn then(self, then: Action) -> Self {
        Self { then, ..self }
    }

    /// Sets the mode.
    pub fn mode(self, mode: Mode) -> Self {
        Self {
            mode: Some(mode),
            ..self
        }
    }
}
