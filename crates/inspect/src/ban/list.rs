//! Lists of networks as people and feeds write them.
//!
//! One network or address a line. `#` and `;` begin a comment, blank lines mean nothing, and a
//! count may follow the network, as in feeds that say how many others name it. Anything else
//! refuses the whole list: half a list is a hole that nobody sees.

use std::sync::Arc;

use gabion_core::Evidence;
use ipnet::IpNet;

use crate::{Network, NetworkError};

/// Networks with the lines they stand on, under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    name: Arc<str>,
    // Invariant: none is a whole address space.
    networks: Vec<(IpNet, u32)>,
}

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
    /// A network that would hit everyone.
    #[error("{0} is the whole address space")]
    WholeSpace(IpNet),
    /// Something after a network.
    #[error("`{0}` stands behind a network, where a list has a count or a comment")]
    Trailing(Evidence),
    /// More than a list may hold.
    #[error("a list holds at most {} networks", List::MAX_ENTRIES)]
    TooMany,
}

// === impl List ===

impl List {
    /// How many networks a list may hold.
    pub const MAX_ENTRIES: usize = 2_000_000;

    /// Reads a list. `name` is what denials and errors call it.
    ///
    /// Lines end in LF or CRLF; a byte order mark is skipped.
    ///
    /// # Errors
    ///
    /// Refuses at the first line that is no entry, and where there are more than
    /// [`Self::MAX_ENTRIES`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use gabion_inspect::List;
    /// let list = List::parse("drop.netset", "192.0.2.0/24  # documentation\n198.51.100.7\t3\n");
    /// assert_eq!(list.unwrap().len(), 2);
    ///
    /// let refused = List::parse("drop.netset", "192.0.2.0/24\n 192.0.2.1-9\n").unwrap_err();
    /// assert!(refused.to_string().starts_with("drop.netset:2:2: `192.0.2.1-9` is neither"));
    /// ```
    pub fn parse(name: &str, text: &str) -> Result<Self, ListError> {
        let name: Arc<str> = name.into();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut networks = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let refuse = |(at, problem)| ListError {
                name: Arc::clone(&name),
                line: ordinal(index),
                // Blanks or a network stand before it, so that each byte is a character.
                column: ordinal(at),
                problem,
            };
            let Some((at, network)) = read(line).map_err(refuse)? else {
                continue;
            };
            if networks.len() == Self::MAX_ENTRIES {
                return Err(refuse((at, ListProblem::TooMany)));
            }
            networks.push((network, ordinal(index)));
        }
        Ok(Self { name, networks })
    }

    /// Networks that stand in the document itself, numbered from 1.
    pub(super) fn inline(name: &str, networks: impl IntoIterator<Item = IpNet>) -> Self {
        let networks = networks.into_iter().enumerate();
        Self {
            name: name.into(),
            networks: networks.map(|(index, net)| (net, ordinal(index))).collect(),
        }
    }

    /// What denials and errors call it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The networks, each with its line, in the order of the lines.
    pub fn networks(&self) -> impl ExactSizeIterator<Item = (IpNet, u32)> {
        self.networks.iter().copied()
    }

    /// How many networks it holds; one that stands twice counts twice.
    pub fn len(&self) -> usize {
        self.networks.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }
}

/// Reads one line: the network and its byte offset, nothing, or what is wrong at which offset.
fn read(line: &str) -> Result<Option<(usize, IpNet)>, (usize, ListProblem)> {
    let (entry, _comment) = line.split_once(['#', ';']).unwrap_or((line, ""));
    let entry = entry.trim_ascii_end();
    let field = entry.trim_ascii_start();
    if field.is_empty() {
        return Ok(None);
    }
    let at = entry.len() - field.len();
    let blank = |c: char| c.is_ascii_whitespace();
    let (network, count) = field.split_once(blank).unwrap_or((field, ""));
    let network = parse(network).map_err(|problem| (at, problem))?;
    let count = count.trim_ascii_start();
    if !count.bytes().all(|byte| byte.is_ascii_digit()) {
        let problem = ListProblem::Trailing(Evidence::of(count.as_bytes()));
        return Err((entry.len() - count.len(), problem));
    }
    Ok(Some((at, network)))
}

fn parse(text: &str) -> Result<IpNet, ListProblem> {
    match text.parse::<Network>().map(Network::net) {
        Ok(net) if net.prefix_len() == 0 => Err(ListProblem::WholeSpace(net)),
        Ok(net) => Ok(net),
        Err(NetworkError::Syntax(_)) => Err(ListProblem::Syntax(Evidence::of(text.as_bytes()))),
        Err(other) => Err(ListProblem::Network(other)),
    }
}

/// Counts from 1, as people do.
fn ordinal(index: usize) -> u32 {
    u32::try_from(index).map_or(u32::MAX, |index| index.saturating_add(1))
}
