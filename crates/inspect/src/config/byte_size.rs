//! A number of bytes as people write it.

use std::{fmt, str::FromStr};

use super::serde_as_text;

/// A number of bytes, more than none: `"512B"`, `"32KiB"`, `"1MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "it is a number and nothing else")]
pub struct ByteSize(
    /// The number.
    pub u64,
);

/// Why a text is no number of bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no number of bytes such as 512B, 32KiB or 1MiB", gabion_core::Escaped(.0.as_bytes()))]
pub struct ByteSizeError(String);

serde_as_text!(ByteSize, "a number of bytes such as \"32KiB\"");

/// The largest first; each divides those before it.
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
