//! A clock that tests advance.

use std::{
    sync::Mutex,
    time::{Duration, UNIX_EPOCH},
};

use gabion_core::Now;
use gabion_tower::Clock;

/// A [`Clock`] that starts at the Unix epoch and stands still between calls of [`Self::advance`].
#[derive(Debug, Default)]
pub struct ManualClock {
    mono: Mutex<Duration>,
}

impl ManualClock {
    /// Moves both the monotonic and the wall clock forward.
    pub fn advance(&self, by: Duration) {
        *self.mono.lock().unwrap() += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        let mono = *self.mono.lock().unwrap();
        Now::new(mono, UNIX_EPOCH + mono)
    }
}
