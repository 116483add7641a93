//! Path views: the forms in which servers may interpret a path.
//!
//! A firewall judges one form of a path; the server behind it may use another: it decodes escapes
//! once more, removes `;parameters`, treats `\` as `/`, or stops at a NUL byte. Each difference
//! bypasses rules that check only one form. So a path is judged in every form that some server is
//! known to use.
//!
//! The views of a path are the closure of nine transformations, in any order: decode `%XX` (up to
//! three times), decode only unreserved characters (`%2e` to a dot, as browsers and RFC 3986, 6.2.2
//! do), merge slashes, resolve dot segments (RFC 3986, 5.2.4), remove `;parameters` from each segment,
//! treat `\` as `/` and then resolve dot segments, cut at `?` or `#`, cut at NUL, and remove the host
//! after a leading `//`.
//!
//! The path as sent is a view: many routers neither merge slashes nor resolve dot segments, so that
//! `/foo/../bar` is below `/foo`. nginx with `merge_slashes off` and the URL parsers of browsers and
//! Node.js resolve dot segments, but do not merge slashes: `/foo//../bar` is `/foo/bar`. The latter
//! read `//foo/bar` as the path `/bar` of the host `foo`. A path is cut at a decoded `?` if a proxy
//! decodes it and then writes it into the next request, as nginx does with `proxy_pass
//! http://server$uri`.
//!
//! A rule that restricts its requests applies if any view matches, and one that allows them if all
//! views match.
//!
//! Look-alike characters (full-width letters, U+2215 for a slash) are not folded: no server that
//! was measured folds them.

mod canonical;
mod classes;
mod distinct;
mod layout;
mod malformed;
mod name;
mod name_filter;
mod prefixes;
mod query;
mod segment;
#[cfg(test)]
mod tests;
mod transform;
mod views;

use std::fmt;

use layout::{Layout, Marks};
use transform::{CUT_HOST, DECODE, TRANSFORMATIONS};

pub use classes::PathClasses;
pub use malformed::Malformed;
pub use name_filter::NameFilter;
pub use prefixes::PathPrefixes;
pub use query::query_text;
pub use segment::{Segment, Segments};
pub(crate) use views::Derived;
pub use views::PathViews;

/// One form of a path, with the transformations that produced it. Slashes may be repeated, and dot
/// segments unresolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct View<'v> {
    /// The bytes, with a leading `/`.
    pub path: &'v [u8],
    /// The transformations that produced this form.
    pub transformations: Transformations,
    layout: &'v Layout,
}

/// The set of transformations that produced a [`View`], without their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transformations {
    decoded: u8,
    applied: u16,
}

// === impl View ===

impl<'v> View<'v> {
    /// The classes of bytes and segments in this form.
    pub const fn classes(&self) -> PathClasses {
        self.layout.classes()
    }

    /// The segments that are not empty, in order.
    #[inline]
    pub const fn segments(&self) -> Segments<'v> {
        Segments::new(self.path, self.layout.marks(), self.layout.classes())
    }

    /// Returns `false` if certainly no segment stands for a name that begins with a dot.
    #[inline]
    pub fn may_have_hidden_names(&self) -> bool {
        let Marks { slashes, dots } = self.layout.marks();
        let is_longer = self.path.len() >= Marks::BLOCK;
        slashes & dots >> 1 != 0
            || !self.layout.lacks(PathClasses::NAME_END)
            || is_longer && self.path.windows(2).any(|two| two == b"/.")
    }

    /// Returns `true` if the path is `prefix` or below it, byte for byte. To compare paths as the most
    /// tolerant servers do, use [`PathPrefixes`].
    pub fn is_below(&self, prefix: &[u8]) -> bool {
        matches!(self.path.strip_prefix(prefix), Some([] | [b'/', ..]))
    }
}

// === impl Transformations ===

impl Transformations {
    /// No transformation: the path as sent.
    pub const AS_SENT: Self = Self {
        decoded: 0,
        applied: 0,
    };

    /// The number of times that escapes were decoded.
    pub const fn decoded(self) -> u8 {
        self.decoded
    }

    /// Returns `true` if the host after a leading `//` was removed, which few servers do.
    pub const fn cuts_host(self) -> bool {
        self.applied & 1 << CUT_HOST != 0
    }

    /// Escapes were decoded once, and nothing else was done.
    const DECODED_ONCE: Self = Self {
        decoded: 1,
        applied: 0,
    };

    /// The set with one more of the [`TRANSFORMATIONS`]; `None` if escapes were decoded
    /// [`PathViews::MAX_DECODES`] times already.
    const fn with(mut self, index: usize) -> Option<Self> {
        match index {
            DECODE if self.decoded == PathViews::MAX_DECODES => return None,
            DECODE => self.decoded += 1,
            other => self.applied |= 1 << other,
        }
        Some(self)
    }
}

impl fmt::Display for Transformations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decoded = match self.decoded {
            0 => None,
            1 => Some("decoded"),
            2 => Some("decoded twice"),
            _ => Some("decoded three times"),
        };
        let applied = TRANSFORMATIONS
            .iter()
            .enumerate()
            .filter(|(index, _)| self.applied & 1 << index != 0)
            .map(|(_, transformation)| transformation.description);
        let mut between = "";
        for description in decoded.into_iter().chain(applied) {
            write!(f, "{between}{description}")?;
            between = ", ";
        }
        f.write_str(if between.is_empty() { "as sent" } else { "" })
    }
}
