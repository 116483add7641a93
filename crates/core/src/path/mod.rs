//! Path views: the forms in which servers may interpret a path.
//!
//! A firewall judges one form of a path; the server behind it may use another: it decodes escapes
//! once more, removes `;parameters`, treats `\` as `/`, or stops at a NUL byte. Each difference
//! bypasses rules that check only one form. So a path is judged in every form that some server is
//! known to use.
//!
//! The forms of a path are the closure of six transformations, in any order: decode `%XX` (up to
//! three times), decode only unreserved characters (`%2e` to a dot, as browsers and RFC 3986, 6.2.2
//! do), remove `;parameters` from each segment, treat `\` as `/`, cut at NUL, and merge slashes and
//! resolve dot segments (RFC 3986, 5.2.4). A view is a form in which slashes and dot segments are
//! resolved, since every server resolves those that it recognizes.
//!
//! Look-alike characters (full-width letters, U+2215 for a slash) are not folded: no server that
//! was measured folds them.

mod canonical;
mod malformed;
#[cfg(test)]
mod tests;
mod transform;
mod views;

use std::fmt;

pub use malformed::Malformed;
pub(crate) use views::Derived;
pub use views::PathViews;

/// One form of a path, with the transformations that produced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct View<'v> {
    /// The bytes, with a leading `/` unless the path is malformed.
    pub path: &'v [u8],
    /// The transformations that produced this form.
    pub transformations: Transformations,
}

/// The set of transformations that produced a [`View`], without their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transformations {
    decoded: u8,
    applied: u8,
}

/// A transformation that servers apply to paths.
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
    /// Returns `true` if the path is `prefix` or below it: the rest is empty, or begins a new
    /// segment or the parameters of the last one. ASCII case is ignored, as some servers ignore it.
    pub fn lies_below(&self, prefix: &[u8]) -> bool {
        let split = self.path.split_at_checked(prefix.len());
        split.is_some_and(|(head, rest)| {
            head.eq_ignore_ascii_case(prefix) && matches!(rest.first(), None | Some(b'/' | b';'))
        })
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

    /// The set with one more transformation; `None` if escapes were decoded
    /// [`PathViews::MAX_DECODES`] times already.
    const fn with(mut self, transformation: Transformation) -> Option<Self> {
        match transformation {
            Transformation::Decode if self.decoded == PathViews::MAX_DECODES => return None,
            Transformation::Decode => self.decoded += 1,
            other => self.applied |= other.bit(),
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
        let applied = Transformation::ALL
            .into_iter()
            .filter(|transformation| self.applied & transformation.bit() != 0);
        let mut between = "";
        for description in decoded
            .into_iter()
            .chain(applied.map(Transformation::description))
        {
            write!(f, "{between}{description}")?;
            between = ", ";
        }
        f.write_str(if between.is_empty() { "as sent" } else { "" })
    }
}

// === impl Transformation ===

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

    const fn description(self) -> &'static str {
        match self {
            Self::Decode => "decoded",
            Self::DecodeUnreserved => "unreserved characters decoded",
            Self::CutParams => ";parameters removed",
            Self::BackslashAsSlash => "\\ read as /",
            Self::CutAtNul => "cut at NUL",
            Self::Resolve => "slashes and dot segments resolved",
        }
    }

    /// Appends the result to `out`. Returns `true` if dot segments went above the root.
    fn run(self, path: &[u8], out: &mut Vec<u8>) -> bool {
        match self {
            Self::Decode => transform::decode(path, out),
            Self::DecodeUnreserved => transform::decode_unreserved(path, out),
            Self::CutParams => transform::cut_params(path, out),
            Self::BackslashAsSlash => transform::backslash_as_slash(path, out),
            Self::CutAtNul => transform::cut_at_nul(path, out),
            Self::Resolve => return transform::resolve(path, out),
        }
        false
    }
}
