//! Durations such as `10m`.

use std::{fmt, str::FromStr, time::Duration};

use super::serde_as_text;

/// A [`Duration`] of more than zero: `"25s"`, `"10m"`, `"1h 30m"`, `"30d"`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use gabion_inspect::Period;
///
/// let period: Period = "1h 30m".parse()?;
/// assert_eq!(period.0, Duration::from_mins(90));
/// assert!("0s".parse::<Period>().is_err());
/// assert!("soon".parse::<Period>().is_err());
/// # Ok::<(), gabion_inspect::PeriodError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Period(
    /// The duration.
    pub Duration,
);

/// The error of a text that is not a [`Period`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid duration `{}`: write for example `25s`, `10m`, `1h 30m` or `30d`", gabion_core::Escaped(.0.as_bytes()))]
pub struct PeriodError(String);

serde_as_text!(Period, "a duration such as \"10m\"");

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        match humantime::parse_duration(text) {
            Ok(length) if !length.is_zero() => Ok(Self(length)),
            _ => Err(PeriodError(text.to_owned())),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}
