//! The one place that reads clocks.

use std::{
    sync::LazyLock,
    time::{Instant, SystemTime},
};

use gabion_core::Now;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// This moment.
    fn now(&self) -> Now;
}

/// The clocks of this machine. Monotonic time counts from when the first of these was made, so
/// that layers made apart agree on when a ban ends.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl SystemClock {
    /// Starts counting, or counts with those that have started.
    pub fn new() -> Self {
        Self { start: *START }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Now {
        Now::new(self.start.elapsed(), SystemTime::now())
    }
}
