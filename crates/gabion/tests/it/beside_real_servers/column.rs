//! The paths that the rules deny.

use crate::path_vectors::columns::{LITERAL, TYPED};

/// Three ways to write the same two rules: no PHP, and nothing under `/public`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// As nginx users write them.
    Literal,
    /// As nginx users write them, with the kind of the upstream server in the policy.
    LiteralBehind,
    /// With the typed conditions of gabion.
    Typed,
}

// === impl Column ===

impl Column {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Literal => "literal",
            Self::LiteralBehind => "literal, behind Tomcat",
            Self::Typed => "typed",
        }
    }

    /// The `server` block of the nginx configuration that has these rules.
    pub(super) const fn nginx(self) -> &'static str {
        match self {
            Self::Literal | Self::LiteralBehind => "literal",
            Self::Typed => "typed",
        }
    }

    pub(super) fn policy(self) -> String {
        match self {
            Self::Literal => LITERAL.to_owned(),
            Self::LiteralBehind => format!("{LITERAL}[server]\nbehind = 'tomcat'\n"),
            Self::Typed => TYPED.to_owned(),
        }
    }

    /// Returns `true` if the rules deny the path that Tomcat reads as `path`.
    pub(super) fn denies(self, path: &[u8]) -> bool {
        match self {
            Self::Literal | Self::LiteralBehind => {
                path.ends_with(b".php") || path.starts_with(b"/public/")
            }
            Self::Typed => {
                let path = path.to_ascii_lowercase();
                let mut segments = path.split(|&byte| byte == b'/').skip(1);
                let is_public = segments.clone().next() == Some(b"public");
                is_public || segments.any(is_php)
            }
        }
    }

    /// Returns `true` if the rules let `target` pass regardless of Tomcat's reading.
    ///
    /// A dot segment at the end leaves a slash (RFC 3986, 5.2.4), before which `\.php$` does not
    /// match; Tomcat drops that slash. The literal column of the vectors lets these pass.
    pub(super) fn lets_pass(self, target: &str) -> bool {
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        let last = last.split(';').next().unwrap_or_default();
        let last = last.to_ascii_lowercase().replace("%2e", ".");
        self == Self::Literal && [".", ".."].contains(&&*last)
    }
}

fn is_php(segment: &[u8]) -> bool {
    let mut parts = segment.rsplit(|&byte| byte == b'.');
    let extension = parts.next().unwrap_or_default();
    let family: [&[u8]; 5] = [b"php", b"phtml", b"phar", b"phps", b"pht"];
    let is_numbered = matches!(extension, [b'p', b'h', b'p', b'3'..=b'8']);
    parts.next().is_some() && (is_numbered || family.contains(&extension))
}
