//! Lists of networks as people and feeds write them.
//!
//! The format is told by the content, never by the name: text that begins with `{` is JSON, and
//! its keys say whose; all else is lines. What is in no known format refuses the whole list: half
//! a list is a hole that nobody sees.

mod aws;
mod drop;
mod error;
mod google;
mod json;
mod lines;

use std::sync::Arc;

use gabion_core::Evidence;
use ipnet::IpNet;

use self::error::{At, Refusal, ordinal};
use crate::{Network, NetworkError};

pub use error::{ListError, ListProblem};

/// Networks with the lines they stand on, under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    name: Arc<str>,
    // Invariant: none that was read is a whole address space.
    networks: Vec<(IpNet, u32)>,
}

/// The networks of a list that is being read.
#[derive(Default)]
struct Entries(Vec<(IpNet, u32)>);

// === impl List ===

impl List {
    /// How many networks a list may hold.
    pub const MAX_ENTRIES: usize = 2_000_000;

    /// Reads a list. `name` is what denials and errors call it.
    ///
    /// A list is one of:
    /// 1. lines: an address, a network or a range `a-b` on each, and perhaps a count behind it;
    ///    `#` and `;` begin a comment, as in Spamhaus's text, and blank lines mean nothing;
    /// 2. the JSON in which AWS publishes its ranges;
    /// 3. the JSON in which Google and others publish the ranges of their crawlers;
    /// 4. Spamhaus's JSON, an object a line.
    ///
    /// Lines end in LF or CRLF; a byte order mark is skipped.
    ///
    /// # Errors
    ///
    /// Refuses at the first entry that is none, and where there are more than
    /// [`Self::MAX_ENTRIES`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use gabion_inspect::List;
    /// let list = List::parse("drop.netset", "192.0.2.0/24  # documentation\n198.51.100.7\t3\n");
    /// assert_eq!(list.unwrap().len(), 2);
    ///
    /// let list = List::parse("crawler.json", r#"{"prefixes": [{"ipv4Prefix": "192.0.2.0/27"}]}"#);
    /// assert_eq!(list.unwrap().len(), 1);
    ///
    /// let refused = List::parse("drop.netset", "192.0.2.0/24\n 192.0.2.1-9\n").unwrap_err();
    /// assert!(refused.to_string().starts_with("drop.netset:2:2: `192.0.2.1-9` is neither"));
    /// ```
    pub fn parse(name: &str, text: &str) -> Result<Self, ListError> {
        let name: Arc<str> = name.into();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let read = if text.trim_ascii_start().starts_with('{') {
            json::read(text)
        } else {
            lines::read(text)
        };
        match read {
            Ok(Entries(networks)) => Ok(Self { name, networks }),
            Err(refusal) => Err(refusal.of(&name)),
        }
    }

    /// Networks that stand in the document itself, numbered from 1.
    pub(super) fn inline(name: &str, networks: impl IntoIterator<Item = IpNet>) -> Self {
        let networks = networks.into_iter().enumerate();
        Self::numbered(name, networks.map(|(index, net)| (net, ordinal(index))))
    }

    /// Networks with their lines.
    pub(super) fn numbered(name: &str, networks: impl IntoIterator<Item = (IpNet, u32)>) -> Self {
        Self {
            name: name.into(),
            networks: networks.into_iter().collect(),
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

// === impl Entries ===

impl Entries {
    fn push(&mut self, network: IpNet, at: At) -> Result<(), Refusal> {
        if network.prefix_len() == 0 {
            return Err(at.refuse(ListProblem::WholeSpace(network)));
        }
        if self.0.len() == List::MAX_ENTRIES {
            return Err(at.refuse(ListProblem::TooMany));
        }
        self.0.push((network, at.line));
        Ok(())
    }
}

fn network(text: &str) -> Result<IpNet, ListProblem> {
    text.parse().map(Network::net).map_err(|error| match error {
        NetworkError::Syntax(_) => ListProblem::Syntax(Evidence::new(text.as_bytes())),
        other => ListProblem::Network(other),
    })
}
