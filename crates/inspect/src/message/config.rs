//! The `[[message]]` section.

use std::{fmt, num::NonZeroU16, str::FromStr};

use gabion_core::Mode;
use serde::{Deserialize, Serialize};

use crate::{ByteSize, OneOrMany, Period, config::serde_as_text};

/// A `[[message]]` rule. It matches a message of a client if any of its conditions does. Compiles
/// to [`Messages`](crate::Messages).
///
/// # Examples
///
/// ```
/// use gabion_inspect::{Config, Context, MessageRule, State};
///
/// let context = Context::new(&State::scratch());
/// let rule: MessageRule = toml::from_str("id = 'deep'\njson_depth = 32\nthen = 'ban'")?;
/// assert!([rule].compile(&context).is_ok());
///
/// let errors = [MessageRule::new("deep")].compile(&context).unwrap_err();
/// assert_eq!(
///     errors[0].to_string(),
///     "message[0]: rule `deep` has no conditions: \
///      add contains, matches, longer_than or json_depth",
/// );
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MessageRule {
    /// The rule id in events.
    pub id: String,
    /// Paths of WebSockets, with everything below them, by segment, in any view of the path.
    /// Default: all WebSockets.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub paths: OneOrMany,
    /// `"text"` (the default), `"binary"`, or both in a list.
    #[serde(default = "text", skip_serializing_if = "is_text")]
    pub kinds: OneOrMany,
    /// Strings to find anywhere in the message.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub contains: OneOrMany,
    /// Ignores ASCII case in `contains`. Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
    /// Regular expressions to search for. Case-sensitive unless they begin with `(?i)`.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub matches: OneOrMany,
    /// The largest length in bytes, unmasked and inflated, that does not match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longer_than: Option<ByteSize>,
    /// The largest nesting depth of JSON that does not match, at most 1000. `[1]` has depth 1; text
    /// that is not JSON has the depth of its valid beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_depth: Option<NonZeroU16>,
    /// The action on a match. Default: [`MessageAction::Close`].
    #[serde(default)]
    pub then: MessageAction,
    /// The mode. Default: the mode of the document.
    #[serde(
        default,
        with = "crate::serde_mode",
        skip_serializing_if = "Option::is_none"
    )]
    pub mode: Option<Mode>,
}

/// The action of a [`MessageRule`]: `"close"`, `"ban"`, or `"ban 1h"`.
///
/// # Examples
///
/// ```
/// use gabion_inspect::MessageAction;
///
/// assert_eq!("close".parse(), Ok(MessageAction::Close));
/// assert_eq!("ban 1h".parse::<MessageAction>().unwrap().to_string(), "ban 1h");
///
/// let error = "403".parse::<MessageAction>().unwrap_err();
/// assert_eq!(error.to_string(), "invalid action `403`: write `close`, `ban` or `ban 1h`");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageAction {
    /// Drops the message and closes the WebSocket.
    #[default]
    Close,
    /// Drops the message, closes the WebSocket, and bans the client for the given time, or for
    /// [`BanConfig::first`](crate::BanConfig::first).
    Ban(Option<Period>),
}

/// The error of a text that is not a [`MessageAction`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid action `{}`: write `close`, `ban` or `ban 1h`", gabion_core::Escaped(.0.as_bytes()))]
pub struct MessageActionError(String);

serde_as_text!(MessageAction, "\"close\", \"ban\" or \"ban 1h\"");

fn is_empty(strings: &OneOrMany) -> bool {
    strings.is_empty()
}

fn text() -> OneOrMany {
    ["text"].into_iter().collect()
}

fn is_text(kinds: &OneOrMany) -> bool {
    **kinds == ["text"]
}

// === impl MessageAction ===

impl FromStr for MessageAction {
    type Err = MessageActionError;

    fn from_str(text: &str) -> Result<Self, MessageActionError> {
        match (text, text.strip_prefix("ban ")) {
            ("close", _) => Some(Self::Close),
            ("ban", _) => Some(Self::Ban(None)),
            (_, Some(period)) => period.parse().ok().map(|period| Self::Ban(Some(period))),
            _ => None,
        }
        .ok_or_else(|| MessageActionError(text.to_owned()))
    }
}

impl fmt::Display for MessageAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Close => f.write_str("close"),
            Self::Ban(None) => f.write_str("ban"),
            Self::Ban(Some(period)) => write!(f, "ban {period}"),
        }
    }
}

// === impl MessageRule ===

impl MessageRule {
    /// Creates a rule for text messages on all WebSockets, without conditions.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            paths: OneOrMany::default(),
            kinds: text(),
            contains: OneOrMany::default(),
            ignore_case: false,
            matches: OneOrMany::default(),
            longer_than: None,
            json_depth: None,
            then: MessageAction::default(),
            mode: None,
        }
    }

    /// Sets the strings to find.
    pub fn contains<S: Into<String>>(self, literals: impl IntoIterator<Item = S>) -> Self {
        let contains = literals.into_iter().collect();
        Self { contains, ..self }
    }

    /// Sets the regular expressions to search for.
    pub fn matches<S: Into<String>>(self, patterns: impl IntoIterator<Item = S>) -> Self {
        let matches = patterns.into_iter().collect();
        Self { matches, ..self }
    }

    /// Sets [`Self::json_depth`].
    pub fn json_depth(self, depth: NonZeroU16) -> Self {
        let json_depth = Some(depth);
        Self { json_depth, ..self }
    }

    /// Sets [`Self::longer_than`].
    pub fn longer_than(self, size: ByteSize) -> Self {
        let longer_than = Some(size);
        Self {
            longer_than,
            ..self
        }
    }

    /// Sets the action.
    pub fn then(self, then: MessageAction) -> Self {
        Self { then, ..self }
    }

    /// Sets the mode.
    pub fn mode(self, mode: Mode) -> Self {
        let mode = Some(mode);
        Self { mode, ..self }
    }
}
