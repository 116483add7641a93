//! Limits on the size of a policy and on the time to compile it.
//!
//! Sizes are limited by count, so that every machine accepts or refuses the same document. The
//! time limit is the last resort: a policy that exceeds it is refused like any other invalid one.

use std::time::{Duration, Instant};

use gabion_inspect::ConfigPath;

use crate::{Document, issue::Issue};

/// The maximum size of a document, in bytes.
pub(crate) const DOCUMENT_BYTES: u64 = 4 << 20;
/// The maximum size of all lists together, in bytes: about three million networks.
pub(crate) const LIST_BYTES: u64 = 64 << 20;
/// The maximum number of lists in a document.
pub(crate) const LISTS: usize = 256;
/// The maximum number of `[[deny]]` rules, and of `[[expect]]` tests, in a document.
const RULES: usize = 50_000;

/// A deadline for reading and compiling one policy.
#[derive(Debug)]
pub(crate) struct CompileBudget {
    started: Instant,
    limit: Duration,
}

impl CompileBudget {
    #[expect(
        clippy::disallowed_methods,
        reason = "measures compile time; no request is judged by this clock"
    )]
    pub(crate) fn start(limit: Duration) -> Self {
        Self {
            started: Instant::now(),
            limit,
        }
    }

    /// Returns `true` if more time than the limit has passed.
    #[expect(
        clippy::disallowed_methods,
        reason = "measures compile time; no request is judged by this clock"
    )]
    pub(crate) fn is_exceeded(&self) -> bool {
        self.started.elapsed() > self.limit
    }

    /// The issue to report if the limit is exceeded during `activity`.
    pub(crate) fn timeout_issue(&self, activity: &str) -> Option<Issue> {
        let limit = self.limit;
        self.is_exceeded().then(|| {
            let path = ConfigPath::new("", "");
            let message = format!("{activity} takes longer than the limit of {limit:?}");
            Issue::new(path, message).with_help("use fewer rules, lists or [[expect]] tests")
        })
    }
}

/// The sections of `document` that exceed their limit.
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
    let issues = over.map(|(path, found, most)| {
        Issue::new(path, format!("{found} entries, but the limit is {most}"))
    });
    issues.collect()
}
