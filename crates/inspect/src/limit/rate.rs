//! Rates such as `20/s`.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use crate::{Period, config::serde_as_text};

/// A number of requests per time: `"20/s"` is 20 per second. Also `"100/m"`, `"1000/h"`, `"5/d"`
/// and `"3/10m"`. See [`LimitRule::rate`](crate::LimitRule::rate).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use gabion_inspect::Rate;
///
/// let rate: Rate = "20/s".parse()?;
/// assert_eq!((rate.count().get(), rate.per()), (20, Duration::from_secs(1)));
/// assert_eq!(rate.interval(), Duration::from_millis(50));
///
/// let error = "10 per minute".parse::<Rate>().unwrap_err();
/// assert_eq!(error.to_string(), "invalid rate `10 per minute`: write `10/m`");
/// # Ok::<(), gabion_inspect::RateError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    count: NonZeroU32,
    per: Duration,
}

/// The error of a text that is not a [`Rate`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RateError {
    /// The text is not a count and a time.
    #[error("invalid rate `{}`: write {}", gabion_core::Escaped(.0.as_bytes()), suggestion(.0))]
    Syntax(String),
    /// More than one per microsecond, or less than one per 31 days.
    #[error("invalid rate `{}`: the limits are one per microsecond and one per 31 days", gabion_core::Escaped(.0.as_bytes()))]
    Range(String),
}

serde_as_text!(Rate, "a rate such as \"20/s\"");

/// The names of units that [`suggestion`] recognizes.
const UNIT_NAMES: [(&str, &str); 4] = [
    ("second", "s"),
    ("minute", "m"),
    ("hour", "h"),
    ("day", "d"),
];
const UNITS: [(&str, Duration); 4] = [
    ("s", Duration::from_secs(1)),
    ("m", Duration::from_mins(1)),
    ("h", Duration::from_hours(1)),
    ("d", Duration::from_hours(24)),
];

impl Rate {
    const SHORTEST: Duration = Duration::from_micros(1);
    const LONGEST: Duration = Duration::from_hours(31 * 24);

    /// Returns the number per [`Self::per`].
    pub const fn count(self) -> NonZeroU32 {
        self.count
    }

    /// Returns the time in which [`Self::count`] requests are allowed.
    pub const fn per(self) -> Duration {
        self.per
    }

    /// Returns the time per request.
    pub fn interval(self) -> Duration {
        self.per / self.count.get()
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let invalid = || RateError::Syntax(text.to_owned());
        let (count, per) = text.split_once('/').ok_or_else(invalid)?;
        let unit = UNITS.iter().find(|(unit, _)| *unit == per);
        let rate = Self {
            count: count.parse().map_err(|_| invalid())?,
            per: match unit {
                Some((_, per)) => *per,
                None => per.parse::<Period>().map_err(|_| invalid())?.0,
            },
        };
        if (Self::SHORTEST..=Self::LONGEST).contains(&rate.interval()) {
            Ok(rate)
        } else {
            Err(RateError::Range(text.to_owned()))
        }
    }
}

/// Returns the rate that `text` probably means, such as `10/m` for `10 per minute`, or examples.
fn suggestion(text: &str) -> String {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (count, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let rest = rest.trim_end_matches('s');
    let unit = UNIT_NAMES.iter().find(|(name, _)| rest.ends_with(name));
    let is_plain = !rest.contains(|c: char| c.is_ascii_digit());
    match (count.parse::<NonZeroU32>(), unit) {
        (Ok(count), Some((_, unit))) if is_plain => format!("`{count}/{unit}`"),
        _ => "for example `20/s`, `1000/h` or `3/10m`".to_owned(),
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
