//! Every way in which a server might read a path.
//!
//! A guard judges one reading of a path; the server behind it may use another: it decodes escapes
//! once more, cuts `;parameters`, takes `\` for `/`, stops at a NUL. Each difference is a way
//! around a rule. So a path is judged in every reading that some server is known to use.
//!
//! The readings of a path are the closure of six steps, in any order: decode `%XX` (up to three
//! times), decode only what needs no escape (`%2e` for a dot, as browsers and RFC 3986, 6.2.2 do),
//! cut `;parameters` off each segment, take `\` as `/`, cut at NUL, and merge slashes and resolve
//! dot segments (RFC 3986, 5.2.4). A view is a reading in which slashes and dot segments
//! are resolved, since every server resolves those that it sees.
//!
//! Characters that only look alike (full-width letters, U+2215 for a slash) are not folded: no
//! server that was measured folds them.

mod canonical;
mod malformed;
mod step;
#[cfg(test)]
mod tests;
mod views;

use std::fmt;

pub use malformed::Malformed;
pub(crate) use views::Derived;
pub use views::PathViews;

/// A path in one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct View<'v> {
    /// The bytes, beginning with `/` unless the path is malformed.
    pub path: &'v [u8],
    /// How they came about.
    pub transformations: Transformations,
}

/// How a view came about: which steps were taken, whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transformations {
    decoded: u8,
    taken: u8,
}

/// One of the steps by which readings come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transformation {
    Decode,
    DecodeUnreserved,
    CutParams,
    BackslashAsSlash,
    CutAtNul,
    Resolve,
}

// === impl View ===

impl View<'_> {
    /// Whether this is `prefix`, or lies below it: what comes after it begins a segment, or the
    /// parameters of its last one. Case does not count, as it does not to some servers.
    pub fn lies_below(&self, prefix: &[u8]) -> bool {
        let split = self.path.split_at_checked(prefix.len());
        split.is_some_and(|(head, rest)| {
            head.eq_ignore_ascii_case(prefix) && matches!(rest.first(), None | Some(b'/' | b';'))
        })
    }
}

// === impl Reading ===

impl Transformations {
    /// The path as it was sent.
    pub const AS_SENT: Self = Self {
        decoded: 0,
        taken: 0,
    };

    /// How often escapes were decoded.
    pub const fn decoded(self) -> u8 {
        self.decoded
    }

    /// The reading after one more step; `None` where escapes were decoded often enough.
    const fn after(mut self, step: Transformation) -> Option<Self> {
        match step {
            Transformation::Decode if self.decoded == PathViews::MAX_DECODES => return None,
            Transformation::Decode => self.decoded += 1,
            other => self.taken |= other.bit(),
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
        let taken = Transformation::ALL
            .into_iter()
            .filter(|step| self.taken & step.bit() != 0);
        let mut between = "";
        for words in decoded.into_iter().chain(taken.map(Transformation::words)) {
            write!(f, "{between}{words}")?;
            between = ", ";
        }
        f.write_str(if between.is_empty() { "as sent" } else { "" })
    }
}

// === impl Step ===

impl Transformation {
    const ALL: [Self; 6] = [
        Self::Decode,
        Self::DecodeUnreserved,
        Self::CutParams,
        Self::BackslashAsSlash,
        Self::CutAtNul,
        Self::Resolve,
    ];

    const fn bit(self) -> u8 {
        1 << self as u8
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Decode => "decoded",
            Self::DecodeUnreserved => "unreserved decoded",
            Self::CutParams => ";parameters cut",
            Self::BackslashAsSlash => "\\ read as /",
            Self::CutAtNul => "cut at NUL",
            Self::Resolve => "slashes and dots resolved",
        }
    }

    /// Appends the result; says whether dot segments tried to leave the root.
    fn run(self, path: &[u8], out: &mut Vec<u8>) -> bool {
        match self {
            Self::Decode => step::decode(path, out),
            Self::DecodeUnreserved => step::decode_unreserved(path, out),
            Self::CutParams => step::cut_params(path, out),
            Self::BackslashAsSlash => step::backslash_as_slash(path, out),
            Self::CutAtNul => step::cut_at_nul(path, out),
            Self::Resolve => return step::resolve(path, out),
        }
        false
    }
}
