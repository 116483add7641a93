//! Why a path has no single reading.

use std::{fmt, str};

use super::step;

/// What is wrong with a path so that two servers would read it differently, or none should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Malformed {
    /// Empty, or not beginning with `/`: an authority-form target, `*`, or no target at all.
    Form,
    /// A control byte as sent.
    Control(u8),
    /// A `%` that two hexadecimal digits do not follow.
    Escape,
    /// `%00`.
    Nul,
    /// An escape of a control byte.
    EscapedControl(u8),
    /// Not UTF-8 once decoded, overlong forms among them.
    Utf8,
    /// Dot segments that climb above the root.
    AboveRoot,
    /// More readings than any honest path has.
    Tangled,
}

impl Malformed {
    /// The first fault that can be seen in the path itself; [`Self::AboveRoot`] and
    /// [`Self::Tangled`] come to light while it is read.
    pub(super) fn detect(path: &[u8], decoded: &[u8]) -> Option<Self> {
        if path.first() != Some(&b'/') {
            return Some(Self::Form);
        }
        if let Some(&control) = path.iter().find(|byte| byte.is_ascii_control()) {
            return Some(Self::Control(control));
        }
        if step::has_bad_escape(path) {
            return Some(Self::Escape);
        }
        match decoded.iter().find(|byte| byte.is_ascii_control()) {
            Some(0) => Some(Self::Nul),
            Some(&control) => Some(Self::EscapedControl(control)),
            None => str::from_utf8(decoded).is_err().then_some(Self::Utf8),
        }
    }

    /// The name of the check, as rules and events know it.
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
            Self::Form => f.write_str("the target has no path that begins with /"),
            Self::Control(byte) => write!(f, "the path holds the control byte 0x{byte:02x}"),
            Self::Escape => f.write_str("the path holds a % without two hexadecimal digits"),
            Self::Nul => f.write_str("the path holds %00"),
            Self::EscapedControl(byte) => write!(f, "the path holds the escape %{byte:02x}"),
            Self::Utf8 => f.write_str("the path is not UTF-8 once decoded"),
            Self::AboveRoot => f.write_str("the path climbs above the root"),
            Self::Tangled => f.write_str("the path has more readings than an honest one"),
        }
    }
}
