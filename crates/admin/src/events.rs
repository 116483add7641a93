//! The events that the API shows.

use gabion::event::EventId;

/// The last events, as JSON objects with every detail.
///
/// Called on a thread on which it may block.
pub trait EventSource: Send + Sync {
    /// Returns the event of the denial that its client received `id` for; `None` if it is not kept.
    fn find(&self, id: EventId) -> Option<String>;

    /// Returns at most `count` events, the latest first.
    fn last(&self, count: usize) -> Vec<String>;
}

/// Keeps no events.
pub(crate) struct NoEvents;

impl EventSource for NoEvents {
    fn find(&self, _id: EventId) -> Option<String> {
        None
    }

    fn last(&self, _count: usize) -> Vec<String> {
        Vec::new()
    }
}
