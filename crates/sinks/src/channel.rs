//! Events for another thread or task.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    mpsc::{Receiver, SyncSender, sync_channel},
};

use gabion_core::{Event, Sink};

/// A sink that sends events into a bounded channel and never blocks: if the channel is full or its
/// receiver is gone, an event is dropped and counted.
///
/// # Examples
///
/// ```
/// use gabion_core::{Event, Sink};
/// use gabion_sinks::Channel;
///
/// let (sink, events) = Channel::new(1);
/// sink.record(&Event::Setup("first"));
/// sink.record(&Event::Setup("second"));
/// assert_eq!(events.recv().unwrap().to_string(), "first");
/// assert_eq!(sink.dropped(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Channel {
    sender: SyncSender<Event>,
    dropped: Arc<AtomicU64>,
}

impl Channel {
    /// Creates a channel that holds at most `capacity` unread events.
    pub fn new(capacity: usize) -> (Self, Receiver<Event>) {
        let (sender, receiver) = sync_channel(capacity);
        let dropped = Arc::default();
        (Self { sender, dropped }, receiver)
    }

    /// The number of dropped events so far.
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
