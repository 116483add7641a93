//! The number of events about refused callers.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Admits [`Self::MOST`] events a minute, and counts the others.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    until: Duration,
    admitted: u32,
    suppressed: u64,
}

// === impl Refusals ===

impl Refusals {
    const MOST: u32 = 30;

    /// Returns the number of events that were not admitted since the last one, or `None` if this one is not either.
    pub(super) fn admit(&self, now: Duration) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.until <= now {
            window.until = now.saturating_add(Duration::from_mins(1));
            window.admitted = 0;
        }
        if window.admitted >= Self::MOST {
            window.suppressed = window.suppressed.saturating_add(1);
            return None;
        }
        window.admitted = window.admitted.saturating_add(1);
        Some(std::mem::take(&mut window.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_bounded_and_the_others_counted() {
        let refusals = Refusals::default();
        let admit = |now| refusals.admit(Duration::from_secs(now));
        let admitted = (0..100).filter(|_| admit(1) == Some(0)).count();
        assert_eq!(admitted, 30);
        assert_eq!(admit(61), Some(70));
        assert_eq!(admit(61), Some(0));
    }
}
