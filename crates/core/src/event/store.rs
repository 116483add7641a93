//! Events about the store of bans and about the exchange of bans and limits with other instances.

use std::{fmt, time::SystemTime};

use super::cut;

/// A change of the state of the store: an outage and its end, a damaged file, lost updates.
///
/// While a part of the store is out of order, bans keep working in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreEvent {
    /// The wall-clock time.
    pub at: SystemTime,
    /// The part of the store.
    pub part: StorePart,
    /// The change.
    pub change: StoreChange,
}

/// A part of the store, each with outages of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StorePart {
    /// The file of bans and exemptions, `bans.redb`.
    Bans,
    /// The file of offenses and events, `events.redb`.
    Events,
    /// The exchange of bans with other instances by Redis.
    Shared,
    /// The exchange of the counts of limits with other instances by Redis.
    SharedLimits,
    /// The checks of exact limits by Redis.
    ExactLimits,
}

/// The kinds of [`StoreEvent`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreChange {
    /// The part does not work: changes are kept in memory only, until it recovers.
    Degraded {
        /// The error, at most [`StoreEvent::MAX_ERROR`] bytes ([`StoreEvent::degraded`]).
        error: Box<str>,
    },
    /// The part works again, and has every ban in force.
    Recovered,
    /// A damaged file was renamed, and a new one is in use.
    MovedAside {
        /// The new path of the damaged file.
        to: Box<str>,
        /// The damage, at most [`StoreEvent::MAX_ERROR`] bytes ([`StoreEvent::moved_aside`]).
        error: Box<str>,
    },
    /// The queue was full. The dropped updates are written from a snapshot of all bans.
    Overflowed {
        /// The number of dropped updates.
        dropped: u64,
    },
}

// === impl StoreEvent ===

impl StoreEvent {
    /// The maximum number of bytes of an error or path that are kept.
    pub const MAX_ERROR: usize = 512;

    /// Creates an event about a part that does not work because of `error`.
    pub fn degraded(at: SystemTime, part: StorePart, error: &str) -> Self {
        let error = cut(error, Self::MAX_ERROR).into();
        Self::new(at, part, StoreChange::Degraded { error })
    }

    /// Creates an event about a part that works again.
    pub const fn recovered(at: SystemTime, part: StorePart) -> Self {
        Self::new(at, part, StoreChange::Recovered)
    }

    /// Creates an event about a damaged file that was renamed to `to`.
    pub fn moved_aside(at: SystemTime, part: StorePart, to: &str, error: &str) -> Self {
        let [to, error] = [to, error].map(|text| cut(text, Self::MAX_ERROR).into());
        Self::new(at, part, StoreChange::MovedAside { to, error })
    }

    /// Creates an event about `dropped` updates that found the queue full.
    pub const fn overflowed(at: SystemTime, part: StorePart, dropped: u64) -> Self {
        Self::new(at, part, StoreChange::Overflowed { dropped })
    }

    const fn new(at: SystemTime, part: StorePart, change: StoreChange) -> Self {
        Self { at, part, change }
    }
}

impl fmt::Display for StoreEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = self.part;
        match &self.change {
            StoreChange::Degraded { error } => {
                let kept = match part {
                    StorePart::Bans => "bans are kept in memory and lost on restart",
                    StorePart::Events => "events and offenses are lost on restart",
                    StorePart::Shared => "bans of other instances do not arrive",
                    StorePart::SharedLimits => "each instance counts limits alone",
                    StorePart::ExactLimits => "each instance decides about exact limits alone",
                };
                write!(f, "{part}: {error}; until it recovers, {kept}")
            }
            StoreChange::Recovered => match part {
                StorePart::SharedLimits | StorePart::ExactLimits => write!(f, "{part}: recovered"),
                StorePart::Bans | StorePart::Events | StorePart::Shared => {
                    write!(f, "{part}: recovered, nothing is missing")
                }
            },
            StoreChange::MovedAside { to, error } => {
                write!(
                    f,
                    "{part}: damaged ({error}); renamed to \"{to}\", a new file is in use"
                )
            }
            StoreChange::Overflowed { dropped } => write!(
                f,
                "{part}: {dropped} updates found the queue full; all bans are written again"
            ),
        }
    }
}

// === impl StorePart ===

impl fmt::Display for StorePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bans => "store bans.redb",
            Self::Events => "store events.redb",
            Self::Shared => "shared bans",
            Self::SharedLimits => "shared limits",
            Self::ExactLimits => "exact limits",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[track_caller]
    fn check(event: &StoreEvent, expect: &str) {
        assert_eq!(event.to_string(), expect);
    }

    #[test]
    fn texts_name_the_part_and_the_consequence() {
        check(
            &StoreEvent::degraded(UNIX_EPOCH, StorePart::Bans, "no space left on device"),
            "store bans.redb: no space left on device; until it recovers, bans are kept in memory and \
             lost on restart",
        );
        check(
            &StoreEvent::recovered(UNIX_EPOCH, StorePart::Shared),
            "shared bans: recovered, nothing is missing",
        );
        check(
            &StoreEvent::degraded(UNIX_EPOCH, StorePart::SharedLimits, "timed out"),
            "shared limits: timed out; until it recovers, each instance counts limits alone",
        );
        check(
            &StoreEvent::recovered(UNIX_EPOCH, StorePart::ExactLimits),
            "exact limits: recovered",
        );
        check(
            &StoreEvent::moved_aside(UNIX_EPOCH, StorePart::Events, "/x.corrupt-7", "bad magic"),
            "store events.redb: damaged (bad magic); renamed to \"/x.corrupt-7\", a new file is in use",
        );
        check(
            &StoreEvent::overflowed(UNIX_EPOCH, StorePart::Bans, 3),
            "store bans.redb: 3 updates found the queue full; all bans are written again",
        );
    }

    #[test]
    fn long_errors_are_cut() {
        let long = "é".repeat(StoreEvent::MAX_ERROR);
        let event = StoreEvent::degraded(UNIX_EPOCH, StorePart::Bans, &long);
        assert!(event.to_string().len() < StoreEvent::MAX_ERROR + 128);
    }
}
