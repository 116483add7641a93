//! The interval of pings.

use std::{fmt, str::FromStr, time::Duration};

use crate::{Period, config::serde_as_text};

/// The idle time after which a client is pinged: a [`Period`], or never (`"off"`).
///
/// # Examples
///
/// ```
/// use gabion_inspect::Ping;
///
/// assert_eq!("off".parse(), Ok(Ping(None)));
/// assert_eq!("25s".parse(), Ok(Ping::default()));
/// assert!("never".parse::<Ping>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a newtype of an optional period")]
pub struct Ping(
    /// The idle time, or `None` for never.
    pub Option<Period>,
);

/// The error of a text that is not a [`Ping`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid ping `{}`: write a duration such as `25s`, or `off`", gabion_core::Escaped(.0.as_bytes()))]
pub struct PingError(pub(super) String);

serde_as_text!(Ping, "a duration such as \"25s\", or \"off\"");

// === impl Ping ===

impl Ping {
    /// The default: half the shortest idle timeout of common load balancers, so that one ping may
    /// be lost.
    pub const DEFAULT: Duration = Duration::from_secs(25);
    /// The shortest supported idle time.
    pub const SHORTEST: Duration = Duration::from_millis(100);
}

impl Default for Ping {
    fn default() -> Self {
        Self(Some(Period(Self::DEFAULT)))
    }
}

impl FromStr for Ping {
    type Err = PingError;

    fn from_str(text: &str) -> Result<Self, PingError> {
        if text == "off" {
            return Ok(Self(None));
        }
        let period = text.parse().map(|period| Self(Some(period)));
        period.map_err(|_| PingError(text.to_owned()))
    }
}

impl fmt::Display for Ping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(period) => period.fmt(f),
            None => f.write_str("off"),
        }
    }
}
