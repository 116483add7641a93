//! Sample requests: a browser's headers, and paths of several kinds.

use http::{Request, request::Builder};

use crate::Rng;

/// The headers that a browser sends with each request for a page.
pub const BROWSER: [(&str, &str); 10] = [
    ("host", "app.example"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    (
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("cookie", "session=0123456789abcdef0123456789abcdef"),
    ("upgrade-insecure-requests", "1"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "same-origin"),
];

/// A way of writing a path. The [reference policy](crate::reference) denies [`PathKind::Denied`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "benches go through all")]
pub enum PathKind {
    /// A plain path, as a site links to its pages.
    Plain,
    /// Percent-encoded, as for names in other languages.
    Encoded,
    /// Obfuscated: double escapes, dot segments, path parameters, a NUL byte.
    Hostile,
    /// A `.php` page, which the reference policy denies.
    Denied,
}

/// Builds a browser's request for the page at `path`, with the headers of [`BROWSER`].
pub fn page(path: &str) -> Builder {
    BROWSER
        .iter()
        .fold(Request::get(path), |page, (name, value)| {
            page.header(*name, *value)
        })
}

// === impl PathKind ===

impl PathKind {
    /// Generates a random path of this kind.
    pub fn generate(self, rng: &mut Rng) -> String {
        let (topic, page) = (rng.below(1_000), rng.below(100_000));
        match self {
            Self::Plain => format!("/articles/topic-{topic}/page-{page}.html"),
            Self::Encoded => format!("/articles/caf%C3%A9-{topic}/a%20b-{page}.html"),
            Self::Hostile => {
                format!("/a/..;x={topic}/%252e%252e/%5c{page}.html%00.jpg//./b;%70=1/c%2fd")
            }
            Self::Denied => format!("/articles/topic-{topic}/page-{page}.php"),
        }
    }
}
