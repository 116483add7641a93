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
    /// Iterates over the errors visible in the path as sent or in its decoded form.
    /// [`Self::Form`], [`Self::AboveRoot`] and [`Self::Tangled`] are found elsewhere.
    pub(super) fn detect<'v>(
        sent: View<'v>,
        decoded: View<'v>,
    ) -> impl Iterator<Item = Self> + use<'v> {
        let checks: [fn(View<'_>, View<'_>) -> Option<Self>; 5] = [
            Self::control,
            Self::escape,
            Self::nul,
            Self::escaped_control,
            Self::utf8,
        ];
        checks
            .into_iter()
            .filter_map(move |check| check(sent, decoded))
    }

    fn control(sent: View<'_>, _: View<'_>) -> Option<Self> {
        if !sent.classes().intersects(PathClasses::CONTROL) {
            return None;
        }
        let mut bytes = sent.path.iter().copied();
        bytes.find(u8::is_ascii_control).map(Self::Control)
    }

    fn escape(sent: View<'_>, _: View<'_>) -> Option<Self> {
        let has_escapes = sent.classes().intersects(PathClasses::PERCENT);
        (has_escapes && transform::has_bad_escape(sent.path)).then_some(Self::Escape)
    }

    fn nul(sent: View<'_>, decoded: View<'_>) -> Option<Self> {
        let mut controls = escaped_controls(sent, decoded)?;
        controls.any(|byte| byte == 0).then_some(Self::Nul)
    }

    fn escaped_control(sent: View<'_>, decoded: View<'_>) -> Option<Self> {
        let mut controls = escaped_controls(sent, decoded)?;
        controls.find(|byte| *byte != 0).map(Self::EscapedControl)
    }

    fn utf8(_: View<'_>, decoded: View<'_>) -> Option<Self> {
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

/// Returns the control bytes that are escaped in `sent`, or `None` if there is none.
fn escaped_controls<'v>(
    sent: View<'v>,
    decoded: View<'v>,
) -> Option<impl Iterator<Item = u8> + use<'v>> {
    let hex = |digit: u8| char::from(digit).to_digit(16);
    let byte = move |escape: &[u8]| match escape {
        [b'%', high, low] => u8::try_from(hex(*high)? << 4 | hex(*low)?).ok(),
        _ => None,
    };
    let bytes = sent.path.windows(3).filter_map(byte);
    let controls = bytes.filter(u8::is_ascii_control);
    let has_controls = decoded.classes().intersects(PathClasses::CONTROL);
    has_controls.then_some(controls)
}
