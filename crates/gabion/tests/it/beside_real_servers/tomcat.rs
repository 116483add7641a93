//! A Tomcat with one servlet, which answers with the request as Tomcat reads it.

use gabion_testkit::{Tomcat, unescape};

const FILES: [(&str, &str); 2] = [
    (
        "WEB-INF/web.xml",
        include_str!("../../../testdata/beside_real_servers/tomcat/web.xml"),
    ),
    (
        "WEB-INF/echo.jsp",
        include_str!("../../../testdata/beside_real_servers/tomcat/echo.jsp"),
    ),
];

/// Starts the Tomcat. If it or Java is not installed, prints `SKIPPED` and returns `None`.
pub(super) async fn start() -> Option<Tomcat> {
    Tomcat::start(&FILES).await
}

/// A request as Tomcat reads it, escaped for `unescape`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Echo {
    pub(super) method: String,
    pub(super) uri: String,
    /// The path that Tomcat maps to a servlet: decoded, without parameters and dot segments.
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) host: Option<String>,
}

// === impl Echo ===

impl Echo {
    /// Parses a response of the servlet. Also returns the number of its responses so far.
    pub(super) fn read(text: &str) -> (Self, usize) {
        // A name without a value has no space after it.
        let fact = |name: &str| {
            let mut lines = text.lines();
            let line = lines.find_map(|line| line.strip_prefix(name));
            let value = line.expect("every fact").strip_prefix(' ');
            value.map(ToOwned::to_owned)
        };
        let certain = |name: &str| fact(name).expect("what every request has");
        let path = certain("servlet-path") + &fact("path-info").unwrap_or_default();
        let echo = Self {
            method: certain("method"),
            uri: certain("uri"),
            path,
            query: fact("query"),
            host: fact("host"),
        };
        (echo, certain("count").parse().unwrap())
    }

    /// The target that Tomcat received.
    pub(super) fn target(&self) -> String {
        let query = self.query.iter().map(|query| format!("?{query}"));
        self.uri.clone() + &query.collect::<String>()
    }

    /// The path as bytes.
    pub(super) fn path(&self) -> Vec<u8> {
        unescape(&self.path)
    }
}
