//! Why a list is refused, and where.

use std::sync::Arc;

use gabion_core::Evidence;
use ipnet::IpNet;

use super::List;
use crate::NetworkError;

/// Why a list is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}:{line}:{column}: {problem}")]
#[non_exhaustive]
pub struct ListError {
    /// The list.
    pub name: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column, in characters from 1.
    pub column: u32,
    /// What is wrong there.
    pub problem: ListProblem,
}

/// What is wrong with a line of a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListProblem {
    /// Neither an address nor a network.
    #[error("`{0}` is neither an address nor a network such as 192.0.2.0/24")]
    Syntax(Evidence),
    /// A network that may mean two things.
    #[error(transparent)]
    Network(NetworkError),
    /// A range whose ends are of two kinds, or in the wrong order.
    #[error("`{0}` is no range: it runs from a lower to a higher address of one kind")]
    Range(Evidence),
    /// A network that would hit everyone.
    #[error("{0} is the whole address space")]
    WholeSpace(IpNet),
    /// Something after a network.
    #[error("`{0}` stands behind a network, where a list has a count or a comment")]
    Trailing(Evidence),
    /// JSON that cannot be read, in the words of its reader.
    #[error("{0}")]
    Json(Evidence),
    /// JSON that holds networks of no known format.
    #[error(
        "this JSON is no known list: AWS and Google have `prefixes`, Spamhaus a `cidr` on each line"
    )]
    UnknownJson,
    /// More than a list may hold.
    #[error("a list holds at most {} networks", List::MAX_ENTRIES)]
    TooMany,
}

/// A place in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// What is wrong, and where, in a list whose name its reader does not know.
#[derive(Debug)]
pub(super) struct Refusal {
    at: At,
    problem: ListProblem,
}

// === impl At ===

impl At {
    /// A place from its line and column, both from 0.
    pub(super) fn new(line: usize, column: usize) -> Self {
        Self {
            line: ordinal(line),
            column: ordinal(column),
        }
    }

    pub(super) const fn refuse(self, problem: ListProblem) -> Refusal {
        Refusal { at: self, problem }
    }
}

// === impl Refusal ===

impl Refusal {
    pub(super) fn of(self, name: &Arc<str>) -> ListError {
        ListError {
            name: Arc::clone(name),
            line: self.at.line,
            column: self.at.column,
            problem: self.problem,
        }
    }
}

/// Counts from 1, as people do.
pub(super) fn ordinal(index: usize) -> u32 {
    u32::try_from(index).map_or(u32::MAX, |index| index.saturating_add(1))
}
