//! The only module of this crate that reads clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The wall-clock time: that of records, which outlive the process.
#[expect(clippy::disallowed_methods, reason = "the clock of the store")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// The monotonic time, for intervals.
#[expect(clippy::disallowed_methods, reason = "the clock of the store")]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

/// Microseconds since the epoch, 0 before it.
pub(crate) fn to_micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The time `micros` after the epoch; `None` if the system cannot represent it.
pub(crate) fn from_micros(micros: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(std::time::Duration::from_micros(micros))
}
