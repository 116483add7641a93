//! Time as data.

use std::time::{Duration, SystemTime};

/// One moment, read once per request by whoever owns the clock.
///
/// Durations are measured on the monotonic reading, which never jumps; people are shown the wall
/// reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    mono: Duration,
    wall: SystemTime,
}

impl Now {
    /// A moment `mono` after the clock's own start, at `wall` in the world.
    pub const fn new(mono: Duration, wall: SystemTime) -> Self {
        Self { mono, wall }
    }

    /// Monotonic time since the clock's start, to the nanosecond.
    pub const fn mono(self) -> Duration {
        self.mono
    }

    /// The time of day, for people.
    pub const fn wall(self) -> SystemTime {
        self.wall
    }
}
