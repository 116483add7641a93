//! Every way in which a server might read a path.
//!
//! A guard judges one reading of a path; the server behind it may use another: it decodes escapes
//! once more, cuts `;parameters`, takes `\` for `/`, stops at a NUL. Each difference is a way
//! around a rule. So a path is judged in every reading that some server is known to use.
//!
//! The readings of a path are the closure of five steps, in any order: decode `%XX` (up to three
//! times), cut `;parameters` off each segment, take `\` as `/`, cut at NUL, and merge slashes and
//! resolve dot segments (RFC 3986, 5.2.4). A view is a reading in which slashes and dot segments
//! are resolved, since every server resolves those that it sees.
//!
//! Characters that only look alike (full-width letters, U+2215 for a slash) are not folded: no
//! server that was measured folds them.

mod malformed;
mod step;
#[cfg(test)]
mod tests;
mod views;

use std::fmt;

pub use malformed::Malformed;
pub use views::PathViews;

/// A path in one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct View<'v> {
    /// The bytes, beginning with `/` unless the path is malformed.
    pub path: &'v [u8],
    /// How they came about.
    pub reading: Reading,
}

/// How a view came about: which steps were taken, whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reading {
    pub(crate) decoded: u8,
    pub(crate) params_cut: bool,
    pub(crate) backslash_as_slash: bool,
    pub(crate) nul_cut: bool,
    pub(crate) resolved: bool,
}

impl Reading {
    /// The path as it was sent.
    pub const AS_SENT: Self = Self {
        decoded: 0,
        params_cut: false,
        backslash_as_slash: false,
        nul_cut: false,
        resolved: false,
    };
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decoded = match self.decoded {
            0 => "",
            1 => "decoded",
            2 => "decoded twice",
            _ => "decoded three times",
        };
        let said = |said: bool, words: &'static str| if said { words } else { "" };
        let steps = [
            decoded,
            said(self.params_cut, ";parameters cut"),
            said(self.backslash_as_slash, "\\ read as /"),
            said(self.nul_cut, "cut at NUL"),
            said(self.resolved, "slashes and dots resolved"),
        ];
        let mut between = "";
        for step in steps.into_iter().filter(|step| !step.is_empty()) {
            write!(f, "{between}{step}")?;
            between = ", ";
        }
        if between.is_empty() {
            f.write_str("as sent")?;
        }
        Ok(())
    }
}
