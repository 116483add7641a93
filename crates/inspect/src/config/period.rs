//! A length of time as people write it.

use std::{fmt, str::FromStr, time::Duration};

use super::serde_as_text;

/// A length of time: `"25s"`, `"10m"`, `"1h 30m"`, `"30d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Period(
    /// The length.
    pub Duration,
);

serde_as_text!(Period, "a length of time such as \"10m\"");

impl FromStr for Period {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Self)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}
