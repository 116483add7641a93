//! What is asked for.

use http::{Request, request::Builder};

use crate::Numbers;

/// What a browser sends of itself with every page that it asks for.
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

/// How a path is written, none of which the reference policy denies but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "benches go through all")]
pub enum Path {
    /// As a site links to its pages.
    Plain,
    /// With escapes, as of names in other languages.
    Encoded,
    /// By one who tries to hide what is asked for.
    Hostile,
    /// By one who looks for a weak page.
    Denied,
}

/// A browser's request for a page.
pub fn page(path: &str) -> Builder {
    BROWSER
        .iter()
        .fold(Request::get(path), |page, (name, value)| {
            page.header(*name, *value)
        })
}

// === impl Path ===

impl Path {
    /// One of many that are written so.
    pub fn draw(self, numbers: &mut Numbers) -> String {
        let (topic, page) = (numbers.below(1_000), numbers.below(100_000));
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
