//! Limits of frame parsers, shared by sessions.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use gabion_frames::Limits;

/// The limits of the session that opened last. Most sessions have the limits of one route, and share them.
#[derive(Debug, Default)]
pub(crate) struct ParserLimits(Mutex<Weak<Limits>>);

// === impl ParserLimits ===

impl ParserLimits {
    /// Returns `limits`, shared with the last session if they are equal.
    pub(crate) fn share(&self, limits: Limits) -> Arc<Limits> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = last.upgrade().filter(|last| **last == limits) {
            return shared;
        }
        let limits = Arc::new(limits);
        *last = Arc::downgrade(&limits);
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_limits_are_shared() {
        let parser_limits = ParserLimits::default();
        let first = parser_limits.share(Limits::new());
        assert!(Arc::ptr_eq(&first, &parser_limits.share(Limits::new())));
        let other = parser_limits.share(Limits::new().with_max_frame(9));
        assert_eq!(*other, Limits::new().with_max_frame(9));
        assert_eq!(*parser_limits.share(Limits::new()), *first);
    }
}
