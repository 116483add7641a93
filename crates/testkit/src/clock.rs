//! A clock that a test winds.

use std::{
    sync::Mutex,
    time::{Duration, UNIX_EPOCH},
};

use gabion_core::Now;
use gabion_tower::Clock;

/// Stands still until it is moved.
#[derive(Debug, Default)]
pub struct ManualClock {
    mono: Mutex<Duration>,
}

impl ManualClock {
    /// Moves on.
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
