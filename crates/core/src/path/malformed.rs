//! Errors of paths that have no single interpretation.

use std::{fmt, str};

use super::{PathClasses, View, transform};

/// The reason why two servers would interpret a path differently, or why none should accept it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Malformed {
    /// Empty, or without a leading `/`: an authority-form target, `*`, or no target at all.
    Form,
    /// A raw control byte.
    Control(u8),
    /// A `%` not followed by two hexadecimal digits.
    Escape,
    /// `%00`.
    Nul,
    /// An escaped control byte.
    EscapedControl(u8),
    /// Invalid UTF-8 after decoding, including overlong forms.
    Utf8,
    /// Dot segments that go above the root.
    AboveRoot,
    /// More forms than [`PathViews`](crate::PathViews) keeps.
    Tangled,
}

impl Malformed {
    /// Returns the first error visible in the path as sent or in its decoded form.
    /// [`Self::Form`], [`Self::AboveRoot`] and [`Self::Tangled`] are found elsewhere.
    pub(super) fn detect(sent: View<'_>, decoded: View<'_>) -> Option<Self> {
        let control = |bytes: &[u8]| bytes.iter().copied().find(u8::is_ascii_control);
        if sent.classes().intersects(PathClasses::CONTROL) {
            return control(sent.path).map(Self::Control);
        }
        if sent.classes().intersects(PathClasses::PERCENT) && transform::has_bad_escape(sent.path) {
            return Some(Self::Escape);
        }
        if decoded.classes().intersects(PathClasses::CONTROL) {
            return control(decoded.path).map(|byte| match byte {
                0 => Self::Nul,
                _ => Self::EscapedControl(byte),
            });
        }
        let may_be_binary = decoded.classes().intersects(PathClasses::NON_ASCII);
        (may_be_binary && str::from_utf8(decoded.path).is_err()).then_some(Self::Utf8)
    }

    /// The name of the check, as used in rule ids and events.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Form => "path/form",
            Self::Control(_) => "path/control",
            Self::Escape => "path/escape",
            Self::Nul => "path/nul",
            Self::EscapedControl(_) => "path/escaped-control",
            Self::Utf8 => "path/utf8",
            Self::AboveRoot => "path/above-root",
            Self::Tangled => "path/tangled",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("the request target has no path that begins with /"),
            Self::Control(byte) => write!(f, "the path contains the control byte 0x{byte:02x}"),
            Self::Escape => f.write_str("the path contains a % without two hexadecimal digits"),
            Self::Nul => f.write_str("the path contains %00"),
            Self::EscapedControl(byte) => {
                write!(f, "the path contains the escaped control byte %{byte:02x}")
            }
            Self::Utf8 => f.write_str("the decoded path is not valid UTF-8"),
            Self::AboveRoot => f.write_str("the path goes above the root"),
            Self::Tangled => f.write_str("the path has too many nested escapes or separators"),
        }
    }
}
