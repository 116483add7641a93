//! Sizes such as `32KiB`.

use std::{fmt, str::FromStr};

use super::serde_as_text;

/// A size in bytes, at least 1: `"512B"`, `"32KiB"`, `"1MiB"`. See [`ByteRate`](crate::ByteRate) for a
/// size per second.
///
/// The units are `B`, `KiB`, `MiB` and `GiB`; a blank may separate number and unit.
///
/// # Examples
///
/// ```
/// use gabion_inspect::ByteSize;
///
/// let size: ByteSize = "32KiB".parse()?;
/// assert_eq!(size.0, 32_768);
/// assert_eq!(size.to_string(), "32KiB");
///
/// let error = "32kb".parse::<ByteSize>().unwrap_err();
/// assert!(error.to_string().starts_with("invalid size `32kb`"));
/// # Ok::<(), gabion_inspect::ByteSizeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "a newtype of one number")]
pub struct ByteSize(
    /// The size in bytes.
    pub u64,
);

/// The error of a text that is not a [`ByteSize`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid size `{}`: write for example `512B`, `32KiB` or `1MiB`", gabion_core::Escaped(.0.as_bytes()))]
pub struct ByteSizeError(String);

serde_as_text!(ByteSize, "a size such as \"32KiB\"");

/// The units, largest first; each divides those before it.
const UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, ByteSizeError> {
        let read = |(unit, bytes): (&str, u64)| {
            let count: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            count.checked_mul(bytes).filter(|&size| size > 0)
        };
        let size = UNITS.into_iter().find_map(read);
        size.map(Self).ok_or_else(|| ByteSizeError(text.to_owned()))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, bytes): &(&str, u64)| self.0.checked_rem(*bytes) == Some(0);
        let (unit, bytes) = UNITS.into_iter().find(whole).unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0.checked_div(bytes).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_print() {
        for (text, bytes, printed) in [
            ("512B", 512, "512B"),
            ("32KiB", 32_768, "32KiB"),
            ("32 KiB", 32_768, "32KiB"),
            ("1024KiB", 1 << 20, "1MiB"),
            ("1025B", 1025, "1025B"),
            ("3GiB", 3 << 30, "3GiB"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!(
                (size.0, size.to_string().as_str()),
                (bytes, printed),
                "{text}"
            );
        }
        for text in [
            "",
            "0B",
            "32",
            "KiB",
            "-1B",
            "1.5KiB",
            "32kb",
            "18446744073709551615KiB",
        ] {
            assert_eq!(
                text.parse::<ByteSize>(),
                Err(ByteSizeError(text.to_owned()))
            );
        }
    }
}
