//! Which messages are refused.

use std::{fmt, num::NonZeroU16, str::FromStr};

use gabion_core::Mode;
use serde::{Deserialize, Serialize};

use crate::{ByteSize, OneOrMany, Period, config::serde_as_text};

/// One `[[message]]` rule: it objects to a message of a client where any of its parts does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "plain data, written by hand")]
pub struct MessageRule {
    /// The rule's name in events.
    pub id: String,
    /// The paths of sockets and everything under them, by segment, in any view of the path; all
    /// sockets where none is given.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub paths: OneOrMany,
    /// `"text"`, which it is unless it says otherwise, `"binary"`, or both in a list.
    #[serde(default = "text", skip_serializing_if = "is_text")]
    pub kinds: OneOrMany,
    /// Literals, found anywhere.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub contains: OneOrMany,
    /// Whether ASCII case means nothing in literals.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
    /// Expressions, searched for; case counts unless they say `(?i)`.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub matches: OneOrMany,
    /// Messages of more bytes, unmasked and inflated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longer_than: Option<ByteSize>,
    /// JSON that is nested deeper, 1000 at most: `[1]` is 1 deep. What is no JSON has no depth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_depth: Option<NonZeroU16>,
    /// What happens.
    #[serde(default)]
    pub then: MessageAction,
    /// Whether it acts; the document's mode where it says nothing.
    #[serde(
        default,
        with = "crate::serde_mode",
        skip_serializing_if = "Option::is_none"
    )]
    pub mode: Option<Mode>,
}

/// What a rule about messages does: `"close"`, `"ban"`, or `"ban 1h"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageAction {
    /// Keeps the message from the service and ends the socket.
    #[default]
    Close,
    /// Does so and bans the client, for the time given or `[ban] first`.
    Ban(Option<Period>),
}

/// Why a text says nothing that a rule about messages can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not \"close\", \"ban\" nor \"ban 1h\"", gabion_core::Escaped(.0.as_bytes()))]
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

// === impl MessageThen ===

impl FromStr for MessageAction {
    type Err = MessageActionError;

    fn from_str(said: &str) -> Result<Self, MessageActionError> {
        match (said, said.strip_prefix("ban ")) {
            ("close", _) => Some(Self::Close),
            ("ban", _) => Some(Self::Ban(None)),
            (_, Some(period)) => period.parse().ok().map(|period| Self::Ban(Some(period))),
            _ => None,
        }
        .ok_or_else(|| MessageActionError(said.to_owned()))
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
    /// A rule about text on all sockets that objects to nothing yet.
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

    /// Objects to messages that hold one of these.
    pub fn contains<S: Into<String>>(self, literals: impl IntoIterator<Item = S>) -> Self {
        let contains = literals.into_iter().collect();
        Self { contains, ..self }
    }

    /// Objects to messages in which one of these expressions is found.
    pub fn matches<S: Into<String>>(self, patterns: impl IntoIterator<Item = S>) -> Self {
        let matches = patterns.into_iter().collect();
        Self { matches, ..self }
    }

    /// Sets what happens.
    pub fn then(self, then: MessageAction) -> Self {
        Self { then, ..self }
    }

    /// Sets whether it acts.
    pub fn mode(self, mode: Mode) -> Self {
        let mode = Some(mode);
        Self { mode, ..self }
    }
}
