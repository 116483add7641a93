//! Saying something that holds for every request, but not at every request.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use gabion_core::Now;

/// Once a minute.
#[derive(Clone, Debug, Default)]
pub(super) struct OncePerMinute {
    /// The minute, by the monotonic clock and from 1, in which it was said last.
    last_minute: Arc<AtomicU64>,
}

impl OncePerMinute {
    /// Whether it is time to say it; only one of those who ask at once is told so.
    pub(super) fn is_due(&self, now: Now) -> bool {
        let minute = now.mono().as_secs() / 60 + 1;
        self.last_minute.fetch_max(minute, Ordering::Relaxed) < minute
    }
}
