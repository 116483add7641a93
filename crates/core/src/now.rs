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
    /// The longest time that every system can add to a wall-clock time of this millennium.
    const LONGEST: Duration = Duration::from_secs(1 << 40);

    /// Creates a time `mono` after the start of the clock, with the wall-clock time `wall`.
    pub const fn new(mono: Duration, wall: SystemTime) -> Self {
        Self { mono, wall }
    }

    /// The monotonic time since the clock's start, in nanosecond resolution.
    pub const fn mono(self) -> Duration {
        self.mono
    }

    /// The wall-clock time, for display and for records that outlive the process.
    pub const fn wall(self) -> SystemTime {
        self.wall
    }

    /// The wall-clock time after `left`, at most some 30,000 years from now.
    pub fn wall_after(self, left: Duration) -> SystemTime {
        let left = left.min(Self::LONGEST);
        self.wall.checked_add(left).unwrap_or(self.wall)
    }
}
