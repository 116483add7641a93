//! Times and periods as text.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use gabion::policy::Period;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A wall-clock time, as text in UTC (RFC 3339), such as `2026-11-30T21:07:37.250Z`.
///
/// # Examples
///
/// ```
/// use gabion_admin::Timestamp;
///
/// let at: Timestamp = serde_json::from_str("\"2026-11-30T21:07:37Z\"")?;
/// assert_eq!(at.to_string(), "2026-11-30T21:07:37Z");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "a time with another text")]
pub struct Timestamp(
    /// The time.
    pub SystemTime,
);

/// The end of the year 9999, the last second that the format has.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// The longest ban or exemption.
pub(crate) const LONGEST: Duration = Duration::from_hours(24 * 3650);

/// Parses the length of a ban or an exemption, such as `1h 30m`.
pub(crate) fn parse_period(text: &str) -> Result<Duration, String> {
    let Period(period) = text.parse().map_err(|error| format!("{error}"))?;
    if period > LONGEST {
        return Err(format!(
            "`{text}` is too long: the longest period is 3650 days"
        ));
    }
    Ok(period)
}

/// Parses a time, or the period since it, such as `2h`.
pub(crate) fn parse_since(text: &str, now: SystemTime) -> Result<SystemTime, String> {
    if let Ok(at) = humantime::parse_rfc3339_weak(text) {
        return Ok(at);
    }
    match text.parse() {
        Ok(Period(period)) => Ok(now.checked_sub(period).unwrap_or(UNIX_EPOCH)),
        Err(_) => Err(format!(
            "invalid time `{}`: write it in UTC, such as `2026-11-30T21:07:37Z`, or as a period until now, such as `2h`",
            text.escape_debug()
        )),
    }
}

// === impl Timestamp ===

impl Timestamp {
    /// The time within the years of the format, 1970 to 9999.
    fn clamped(self) -> SystemTime {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        UNIX_EPOCH
            .checked_add(since.min(LAST))
            .unwrap_or(UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    /// Displays whole seconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_seconds(self.clamped()).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_millis(self.clamped()))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map(Self).map_err(|_| {
            de::Error::custom(format_args!(
                "invalid time `{}`: write it in UTC, such as `2026-11-30T21:07:37Z`",
                text.escape_debug()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_outside_of_the_format_are_clamped() {
        let far = Timestamp(UNIX_EPOCH + Duration::from_secs(1 << 40));
        assert_eq!(far.to_string(), "9999-12-31T23:59:59Z");
        let before = Timestamp(UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(before.to_string(), "1970-01-01T00:00:00Z");
        let text = serde_json::to_string(&far).unwrap();
        assert_eq!(text, "\"9999-12-31T23:59:59.000Z\"");
    }

    #[test]
    fn periods_and_times_are_read() {
        let now = UNIX_EPOCH + Duration::from_hours(100);
        assert_eq!(parse_period("1h 30m"), Ok(Duration::from_mins(90)));
        for invalid in ["", "0s", "soon", "3651d", "1h; rm"] {
            let error = parse_period(invalid).unwrap_err();
            assert!(error.contains(invalid), "{error}");
        }
        assert_eq!(parse_since("2h", now), Ok(now - Duration::from_hours(2)));
        assert_eq!(
            parse_since("1970-01-02T00:00:00Z", now),
            Ok(UNIX_EPOCH + Duration::from_hours(24))
        );
        assert!(
            parse_since("yesterday\n", now)
                .unwrap_err()
                .contains("`yesterday\\n`")
        );
    }
}
