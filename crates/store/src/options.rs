//! Options of a store.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// The folder of a [`Store`](crate::Store), and the limits of its files and queues.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gabion_store::StoreOptions;
///
/// let options = StoreOptions::new("/var/lib/guard")
///     .with_event_retention(Duration::from_secs(7 * 24 * 3600))
///     .with_max_events(100_000);
/// ```
#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub(crate) folder: PathBuf,
    pub(crate) event_retention: Duration,
    pub(crate) offense_retention: Duration,
    pub(crate) max_events: u64,
    pub(crate) queue: usize,
    pub(crate) open_timeout: Duration,
}

const DAY: Duration = Duration::from_hours(24);

// === impl StoreOptions ===

impl StoreOptions {
    /// Creates the default options for `folder`, which is created with mode 0700 if it does not exist.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self {
            folder: folder.as_ref().to_owned(),
            event_retention: 30 * DAY,
            offense_retention: 90 * DAY,
            max_events: 500_000,
            queue: 65_536,
            open_timeout: Duration::from_secs(10),
        }
    }

    /// Sets the age at which events are deleted: 30 days by default.
    pub const fn with_event_retention(mut self, age: Duration) -> Self {
        self.event_retention = age;
        self
    }

    /// Sets the time after a client's last ban at which its offenses are deleted: 90 days by default.
    pub const fn with_offense_retention(mut self, age: Duration) -> Self {
        self.offense_retention = age;
        self
    }

    /// Sets the maximum number of events: 500,000 by default, about 150 MB. Older ones are deleted.
    pub const fn with_max_events(mut self, events: u64) -> Self {
        self.max_events = events;
        self
    }

    /// Sets the number of updates, and the number of events, that wait for the disk: 65,536 by default,
    /// about 10 MB. An update that finds the queue full is written later, from a snapshot of all bans; an
    /// event is dropped and counted.
    pub fn with_queue(mut self, messages: usize) -> Self {
        self.queue = messages.max(1);
        self
    }

    /// Sets the time that [`Store::open`](crate::Store::open) waits for the disk: 10 seconds by default. The
    /// store then starts without its bans, and passes them to the attached
    /// [`BanSource`](gabion_core::BanSource) when they are read.
    pub const fn with_open_timeout(mut self, timeout: Duration) -> Self {
        self.open_timeout = timeout;
        self
    }
}
