//! A length of time as people write it.

use std::{fmt, str::FromStr, time::Duration};

use super::serde_as_text;

/// A length of time, more than none: `"25s"`, `"10m"`, `"1h 30m"`, `"30d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Period(
    /// The length.
    pub Duration,
);

/// Why a text is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no length of time such as 25s, 10m, 1h 30m or 30d", gabion_core::Escaped(.0.as_bytes()))]
pub struct PeriodError(String);

serde_as_text!(Period, "a length of time such as \"10m\"");

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
