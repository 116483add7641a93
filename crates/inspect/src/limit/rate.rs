//! How often, as people say it.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use crate::{Period, config::serde_as_text};

/// So many in a time: `"20/s"` is twenty a second. Also `"100/m"`, `"1000/h"`, `"5/d"`, `"3/10m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    count: NonZeroU32,
    per: Duration,
}

/// Why a text is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RateError {
    /// Not a number and a time.
    #[error("`{}` is no rate such as 20/s, 1000/h or 3/10m", gabion_core::Escaped(.0.as_bytes()))]
    Syntax(String),
    /// More than one in a microsecond, or less than one in a month.
    #[error("`{}` is out of range: one in a microsecond at most, one in 31 days at least", gabion_core::Escaped(.0.as_bytes()))]
    Range(String),
}

serde_as_text!(Rate, "a rate such as \"20/s\"");

const UNITS: [(&str, Duration); 4] = [
    ("s", Duration::from_secs(1)),
    ("m", Duration::from_mins(1)),
    ("h", Duration::from_hours(1)),
    ("d", Duration::from_hours(24)),
];

impl Rate {
    const SHORTEST: Duration = Duration::from_micros(1);
    const LONGEST: Duration = Duration::from_hours(31 * 24);

    /// How many.
    pub const fn count(self) -> NonZeroU32 {
        self.count
    }

    /// In what time.
    pub const fn per(self) -> Duration {
        self.per
    }

    /// From one to the next.
    pub fn interval(self) -> Duration {
        self.per / self.count.get()
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let refuse = || RateError::Syntax(text.to_owned());
        let (count, per) = text.split_once('/').ok_or_else(refuse)?;
        let unit = UNITS.iter().find(|(unit, _)| *unit == per);
        let rate = Self {
            count: count.parse().map_err(|_| refuse())?,
            per: match unit {
                Some((_, per)) => *per,
                None => per.parse::<Period>().map_err(|_| refuse())?.0,
            },
        };
        if (Self::SHORTEST..=Self::LONGEST).contains(&rate.interval()) {
            Ok(rate)
        } else {
            Err(RateError::Range(text.to_owned()))
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, per)| *per == self.per) {
            Some((unit, _)) => write!(f, "{}/{unit}", self.count),
            None => write!(f, "{}/{}", self.count, Period(self.per)),
        }
    }
}
