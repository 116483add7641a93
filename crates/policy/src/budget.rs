//! How much a policy may cost before it is in force.
//!
//! Sizes are bounded by count, so that the same document is taken or refused on every machine. The
//! bound on time is the last resort: a policy that takes longer is refused like any other bad one.

use std::time::{Duration, Instant};

use gabion_inspect::ConfigPath;

use crate::{Document, issue::Issue};

/// How many bytes a document may have.
pub(crate) const DOCUMENT_BYTES: u64 = 4 << 20;
/// How many bytes all lists may have together: some three million networks.
pub(crate) const LIST_BYTES: u64 = 64 << 20;
/// How many lists a document may name.
pub(crate) const LISTS: usize = 256;
/// How many deny rules, and how many cases, a document may have.
const RULES: usize = 50_000;

/// Time that is running out.
#[derive(Debug)]
pub(crate) struct CompileBudget {
    started: Instant,
    limit: Duration,
}

impl CompileBudget {
    #[expect(
        clippy::disallowed_methods,
        reason = "what a compile costs is measured; nobody is judged by this clock"
    )]
    pub(crate) fn start(limit: Duration) -> Self {
        Self {
            started: Instant::now(),
            limit,
        }
    }

    /// Whether it has run out.
    #[expect(
        clippy::disallowed_methods,
        reason = "what a compile costs is measured; nobody is judged by this clock"
    )]
    pub(crate) fn is_spent(&self) -> bool {
        self.started.elapsed() > self.limit
    }

    /// What is wrong when `doing` something went on for too long.
    pub(crate) fn overrun(&self, doing: &str) -> Option<Issue> {
        let limit = self.limit;
        self.is_spent().then(|| {
            let place = ConfigPath::new("", "");
            Issue::new(
                place,
                format!("{doing} takes longer than the budget of {limit:?}"),
            )
        })
    }
}

/// What is wrong with the sizes of `document`.
pub(crate) fn oversize(document: &Document) -> Vec<Issue> {
    let counted = [
        (
            ConfigPath::new("ban", "files"),
            document.ban.files.len(),
            LISTS,
        ),
        (ConfigPath::new("deny", ""), document.deny.len(), RULES),
        (ConfigPath::new("expect", ""), document.expect.len(), RULES),
    ];
    let over = counted.into_iter().filter(|(_, found, most)| found > most);
    let told = over.map(|(place, found, most)| {
        Issue::new(
            place,
            format!("{found} entries, at most {most} are compiled"),
        )
    });
    told.collect()
}
