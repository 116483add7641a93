//! A limit for events about a condition that affects every request.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use gabion_core::Now;

/// Returns `true` from [`Self::is_due`] at most once a minute. Clones share their state.
#[derive(Clone, Debug, Default)]
pub(crate) struct OncePerMinute {
    /// The minute of the last `true`, counted from 1 by the monotonic clock.
    last_minute: Arc<AtomicU64>,
}

impl OncePerMinute {
    /// Returns `true` if nothing was due in the current minute yet. Of concurrent callers, one gets
    /// `true`.
    pub(crate) fn is_due(&self, now: Now) -> bool {
        let minute = now.mono().as_secs() / 60 + 1;
        self.last_minute.fetch_max(minute, Ordering::Relaxed) < minute
    }
}
