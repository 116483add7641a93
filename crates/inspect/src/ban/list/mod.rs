//! Lists of networks, as written by hand or published as feeds.
//!
//! The content determines the format, never the file name: text that begins with `{` is JSON, and
//! its keys identify the publisher; other text is parsed by line. An entry in no known format is an
//! error for the whole list, since half a list would leave clients unbanned without notice.

mod aws;
mod drop;
mod entries;
mod error;
mod google;
mod json;
mod lines;
mod publisher;

use std::sync::Arc;

use ipnet::IpNet;

use self::error::ordinal;

pub use error::{ListError, ListProblem};

/// Networks with their line numbers, and a name that denials and errors show.
///
/// [`BanConfig`](crate::BanConfig) names lists, [`Context::with_lists`](crate::Context::with_lists)
/// supplies them, [`ListCheck`](crate::ListCheck) validates them, and [`IpRanges`](crate::IpRanges)
/// makes them searchable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    name: Arc<str>,
    // Invariant: no parsed network covers a whole address space.
    networks: Vec<(IpNet, u32)>,
}

// === impl List ===

impl List {
    /// The largest number of networks in a list.
    pub const MAX_ENTRIES: usize = 2_000_000;

    /// The largest number of lines that [`Self::parse_lossy`] skips.
    pub const MAX_SKIPPED: usize = 1_000;

    /// Parses a list. Denials and errors refer to it as `name`.
    ///
    /// The text has one of these formats:
    /// 1. lines: each with an address, a network or a range `a-b`, optionally followed by a count;
    ///    `#` and `;` start a comment, as in Spamhaus text, and blank lines are skipped;
    /// 2. the JSON in which AWS publishes its ranges;
    /// 3. the JSON in which Google and others publish the ranges of their crawlers;
    /// 4. Spamhaus JSON, one object per line.
    ///
    /// Lines end in LF or CRLF. A byte order mark is skipped.
    ///
    /// # Errors
    ///
    /// The first invalid entry, or the first entry over [`Self::MAX_ENTRIES`].
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
    /// let error = List::parse("drop.netset", "192.0.2.0/24\n 192.0.2.1-9\n").unwrap_err();
    /// assert!(error.to_string().starts_with("drop.netset:2:2: invalid network `192.0.2.1-9`"));
    /// ```
    pub fn parse(name: &str, text: &str) -> Result<Self, ListError> {
        let name: Arc<str> = name.into();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let read = if text.trim_ascii_start().starts_with('{') {
            publisher::read(text)
        } else {
            lines::read(text)
        };
        match read {
            Ok(entries) => Ok(Self {
                name,
                networks: entries.into_networks(),
            }),
            Err(error) => Err(error.into_list_error(&name)),
        }
    }

    /// Parses a list of which unreadable lines are skipped. Returns the list, and the errors of the
    /// skipped lines.
    ///
    /// Only lists of lines can be read in part: JSON is read as a whole.
    ///
    /// # Errors
    ///
    /// The first invalid entry of JSON, the first entry over [`Self::MAX_ENTRIES`], or the first
    /// unreadable line if more than [`Self::MAX_SKIPPED`] lines are unreadable, or more than the list has
    /// networks: such a text is something else, such as the error page of a feed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use gabion_inspect::List;
    /// let (list, skipped) = List::parse_lossy("feed", "192.0.2.0/24\nlan\n198.51.100.7\n")?;
    /// assert_eq!((list.len(), skipped.len()), (2, 1));
    /// assert!(skipped[0].to_string().starts_with("feed:2:1: invalid network `lan`"));
    /// assert!(List::parse_lossy("feed", "<html>\n<p>404\n192.0.2.0/24\n").is_err());
    /// # Ok::<(), gabion_inspect::ListError>(())
    /// ```
    pub fn parse_lossy(name: &str, text: &str) -> Result<(Self, Vec<ListError>), ListError> {
        let lines = text.strip_prefix('\u{feff}').unwrap_or(text);
        if lines.trim_ascii_start().starts_with('{') {
            return Self::parse(name, text).map(|list| (list, Vec::new()));
        }
        let name: Arc<str> = name.into();
        let (entries, skipped) = lines::read_lossy(lines);
        let networks = entries.into_networks();
        let skipped = skipped.into_iter();
        let mut skipped: Vec<_> = skipped.map(|error| error.into_list_error(&name)).collect();
        let is_full = |error: &ListError| error.problem == ListProblem::TooMany;
        let most = networks.len().min(Self::MAX_SKIPPED);
        if skipped.len() > most || skipped.iter().any(is_full) {
            let first = skipped.iter().position(is_full).unwrap_or_default();
            return Err(skipped.swap_remove(first));
        }
        Ok((Self { name, networks }, skipped))
    }

    /// Creates a list of networks in the policy document, numbered from 1.
    pub(super) fn inline(name: &str, networks: impl IntoIterator<Item = IpNet>) -> Self {
        let networks = networks.into_iter().enumerate();
        Self::numbered(name, networks.map(|(index, net)| (net, ordinal(index))))
    }

    /// Creates a list of networks with line numbers, in line order.
    pub(super) fn numbered(name: &str, networks: impl IntoIterator<Item = (IpNet, u32)>) -> Self {
        Self {
            name: name.into(),
            networks: networks.into_iter().collect(),
        }
    }

    /// Returns the name that denials and errors show.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the networks with their line numbers, in line order.
    pub fn networks(&self) -> impl ExactSizeIterator<Item = (IpNet, u32)> + Clone {
        self.networks.iter().copied()
    }

    /// Returns the line of the last network; 0 if there is none.
    pub(super) fn lines(&self) -> u32 {
        self.networks().last().map_or(0, |(_, line)| line)
    }

    /// Returns the number of networks, counting duplicates.
    pub fn len(&self) -> usize {
        self.networks.len()
    }

    /// Returns `true` if the list is empty.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }
}
