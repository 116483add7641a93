//! A circuit breaker: after several failures in a row, nothing is tried for a time.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::writer::lock;

/// The failures in a row that open the breaker.
const FAILURES: u32 = 5;
/// The time without attempts. After it, one attempt in each such time decides.
const OPEN: Duration = Duration::from_secs(1);

/// Admits attempts while they succeed.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug)]
enum State {
    Closed {
        failures: u32,
    },
    /// One attempt is admitted at `next`, and then again after a time, in case it is never heard of.
    Open {
        next: Instant,
    },
}

// === impl Breaker ===

impl Breaker {
    /// Returns `true` if an attempt may be made at `now`.
    pub(super) fn admits(&self, now: Instant) -> bool {
        match &mut *lock(&self.0) {
            State::Closed { .. } => true,
            State::Open { next } if *next > now => false,
            State::Open { next } => {
                *next = now + OPEN;
                true
            }
        }
    }

    /// Notes a success. Returns `true` if it closed the breaker.
    pub(super) fn note_success(&self) -> bool {
        let state = std::mem::take(&mut *lock(&self.0));
        matches!(state, State::Open { .. })
    }

    /// Notes a failure at `now`. Returns `true` if it opened the breaker.
    pub(super) fn note_failure(&self, now: Instant) -> bool {
        let mut state = lock(&self.0);
        let next = now + OPEN;
        match &mut *state {
            State::Closed { failures } => {
                *failures += 1;
                if *failures < FAILURES {
                    return false;
                }
                *state = State::Open { next };
                true
            }
            State::Open { next: known } => {
                *known = next;
                false
            }
        }
    }
}

// === impl State ===

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn opens_after_failures_in_a_row_and_closes_by_one_attempt() {
        let (breaker, start) = (Breaker::default(), clock::monotonic());
        for _ in 1..FAILURES {
            assert!(!breaker.note_failure(start));
        }
        assert!(!breaker.note_success(), "it was closed");
        for n in 1..=FAILURES {
            assert!(breaker.admits(start));
            assert_eq!(breaker.note_failure(start), n == FAILURES);
        }
        assert!(!breaker.admits(start + OPEN / 2));
        let later = start + OPEN;
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later), "one attempt");
        assert!(!breaker.note_failure(later), "it was open");
        assert!(!breaker.admits(later + OPEN / 2));
        assert!(breaker.admits(later + OPEN));
        assert!(
            breaker.admits(later + 2 * OPEN),
            "the last one was never heard of"
        );
        assert!(breaker.note_success());
        assert!(breaker.admits(later) && breaker.admits(later));
    }
}
