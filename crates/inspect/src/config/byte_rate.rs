//! Byte rates such as `64KiB/s`.

use std::{fmt, str::FromStr};

use super::{ByteSize, serde_as_text};

/// A rate of bytes per second, at least 1: `"64KiB/s"` or `"65536/s"`.
///
/// The size before `/s` is a [`ByteSize`] or a plain number of bytes.
///
/// # Examples
///
/// ```
/// use gabion_inspect::ByteRate;
///
/// let rate: ByteRate = "64KiB/s".parse()?;
/// assert_eq!(rate.0, 65_536);
/// assert_eq!("65536/s".parse(), Ok(rate));
///
/// let error = "64KiB".parse::<ByteRate>().unwrap_err();
/// assert!(error.to_string().starts_with("invalid byte rate `64KiB`"));
/// # Ok::<(), gabion_inspect::ByteRateError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteRate(
    /// Bytes per second.
    pub u64,
);

/// A limit of bytes per second: a [`ByteRate`], or none (`"off"`).
///
/// # Examples
///
/// ```
/// use gabion_inspect::{ByteRate, ByteRateLimit};
///
/// assert_eq!("off".parse(), Ok(ByteRateLimit(None)));
/// assert_eq!("64KiB/s".parse(), Ok(ByteRateLimit(Some(ByteRate(65_536)))));
/// assert!("none".parse::<ByteRateLimit>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "a newtype of an optional rate")]
pub struct ByteRateLimit(
    /// The rate, or `None` for no limit.
    pub Option<ByteRate>,
);

/// The error of a text that is not a [`ByteRate`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid byte rate `{}`: write for example `64KiB/s` or `65536/s`", gabion_core::Escaped(.0.as_bytes()))]
pub struct ByteRateError(String);

serde_as_text!(ByteRate, "a byte rate such as \"64KiB/s\"");
serde_as_text!(ByteRateLimit, "a byte rate such as \"64KiB/s\", or \"off\"");

impl FromStr for ByteRate {
    type Err = ByteRateError;

    fn from_str(text: &str) -> Result<Self, ByteRateError> {
        let read = || {
            let size = text.strip_suffix("/s")?;
            let plain = size.parse().ok().filter(|&bytes: &u64| bytes > 0);
            plain.or_else(|| Some(size.parse::<ByteSize>().ok()?.0))
        };
        read()
            .map(Self)
            .ok_or_else(|| ByteRateError(text.to_owned()))
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", ByteSize(self.0))
    }
}

impl FromStr for ByteRateLimit {
    type Err = ByteRateError;

    fn from_str(text: &str) -> Result<Self, ByteRateError> {
        let rate = (text != "off").then(|| text.parse());
        rate.transpose().map(Self)
    }
}

impl fmt::Display for ByteRateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(rate) => rate.fmt(f),
            None => f.write_str("off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_and_print() {
        for (text, bytes, printed) in [
            ("65536/s", 65_536, "64KiB/s"),
            ("64KiB/s", 65_536, "64KiB/s"),
            ("4 MiB/s", 4 << 20, "4MiB/s"),
            ("1000B/s", 1000, "1000B/s"),
        ] {
            let rate: ByteRate = text.parse().unwrap();
            let printed_rate = rate.to_string();
            assert_eq!((rate.0, &*printed_rate), (bytes, printed), "{text}");
        }
        for text in ["", "/s", "64KiB", "0/s", "0B/s", "64KiB/m", "-1/s"] {
            assert_eq!(
                text.parse::<ByteRate>(),
                Err(ByteRateError(text.to_owned()))
            );
        }
    }
}
