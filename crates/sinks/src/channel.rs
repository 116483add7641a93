//! Events for a thread or task of one's own.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    mpsc::{Receiver, SyncSender, sync_channel},
};

use gabion_core::{Event, Sink};

/// Hands events to whoever holds the other end, and never waits for it: when so many are unread
/// that the channel is full, or nobody reads any more, an event is dropped and counted.
#[derive(Clone, Debug)]
pub struct Channel {
    sender: SyncSender<Event>,
    dropped: Arc<AtomicU64>,
}

impl Channel {
    /// A channel in which at most `capacity` events wait.
    pub fn new(capacity: usize) -> (Self, Receiver<Event>) {
        let (sender, receiver) = sync_channel(capacity);
        let dropped = Arc::default();
        (Self { sender, dropped }, receiver)
    }

    /// How many events were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Sink for Channel {
    fn record(&self, event: &Event) {
        if self.sender.try_send(event.clone()).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
