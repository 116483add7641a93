//! Times as numbers, for atomics.

use std::time::Duration;

/// Converts to whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
