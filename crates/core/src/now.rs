//! Time as a value.

use std::time::{Duration, SystemTime};

/// A point in time, read once per request by the owner of the clock.
///
/// Durations are computed from the monotonic time, which never jumps; the wall-clock time is for
/// display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    mono: Duration,
    wall: SystemTime,
}

impl Now {
    /// Creates a time `mono` after the start of the clock, with the wall-clock time `wall`.
    pub const fn new(mono: Duration, wall: SystemTime) -> Self {
        Self { mono, wall }
    }

    /// The monotonic time since the clock's start, in nanosecond resolution.
    pub const fn mono(self) -> Duration {
        self.mono
    }

    /// The wall-clock time, for display.
    pub const fn wall(self) -> SystemTime {
        self.wall
    }
}
