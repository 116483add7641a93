//! Errors of parsing a list of networks.

use std::sync::Arc;

use gabion_core::Evidence;
use ipnet::IpNet;

use super::List;
use crate::NetworkError;

/// The error of a text that is not a [`List`], with its position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}:{line}:{column}: {problem}")]
#[non_exhaustive]
pub struct ListError {
    /// The name of the list.
    pub name: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column, in characters, from 1.
    pub column: u32,
    /// The reason.
    pub problem: ListProblem,
}

/// The reason in a [`ListError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListProblem {
    /// An entry is neither an address nor a network.
    #[error("invalid network `{0}`: write an address or a network such as `192.0.2.0/24`")]
    Syntax(Evidence),
    /// A network has host bits set.
    #[error(transparent)]
    Network(NetworkError),
    /// The ends of a range are of different address families or in descending order.
    #[error("invalid range `{0}`: write a lower and a higher address of one family")]
    Range(Evidence),
    /// A network of prefix length 0, which covers every client.
    #[error("`{0}` covers the whole address space")]
    WholeSpace(IpNet),
    /// Text after a network that is neither a count nor a comment.
    #[error("unexpected `{0}` after a network: only a count or a comment may follow")]
    Trailing(Evidence),
    /// The text is not valid JSON for its format; the message is from `serde_json`, which quotes with
    /// backticks.
    #[error("{}", .0.to_string().replace(r"\x60", "`"))]
    Json(Evidence),
    /// The JSON has the keys of no known format.
    #[error(
        "unknown JSON format: AWS and Google lists have `prefixes`, Spamhaus lists a `cidr` per line"
    )]
    UnknownJson,
    /// More than [`List::MAX_ENTRIES`] networks.
    #[error("too many networks: a list holds at most {}", List::MAX_ENTRIES)]
    TooMany,
}

/// A position in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// A [`ListError`] without the name of the list.
#[derive(Debug)]
pub(super) struct ParseError {
    at: Position,
    problem: ListProblem,
}

// === impl Position ===

impl Position {
    /// Creates a position from a line and a column, both from 0.
    pub(super) fn new(line: usize, column: usize) -> Self {
        Self {
            line: ordinal(line),
            column: ordinal(column),
        }
    }

    pub(super) const fn error(self, problem: ListProblem) -> ParseError {
        ParseError { at: self, problem }
    }
}

// === impl ParseError ===

impl ParseError {
    /// Returns `true` if the list has no room for the entry.
    pub(super) fn is_full(&self) -> bool {
        self.problem == ListProblem::TooMany
    }

    pub(super) fn into_list_error(self, name: &Arc<str>) -> ListError {
        ListError {
            name: Arc::clone(name),
            line: self.at.line,
            column: self.at.column,
            problem: self.problem,
        }
    }
}

/// Converts an index from 0 to a number from 1.
pub(super) fn ordinal(index: usize) -> u32 {
    u32::try_from(index).map_or(u32::MAX, |index| index.saturating_add(1))
}
