//! An event sink that keeps events.

use std::sync::Mutex;

use gabion_core::{Event, Sink};

/// A [`Sink`] that keeps every event in memory.
#[derive(Debug, Default)]
pub struct Recorder {
    events: Mutex<Vec<Event>>,
}

impl Recorder {
    /// Removes and returns the events recorded so far.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    /// Like [`Self::take`], with each event as text.
    pub fn take_texts(&self) -> Vec<String> {
        self.take().iter().map(ToString::to_string).collect()
    }
}

impl Sink for Recorder {
    fn record(&self, event: &Event) {
        self.events.lock().unwrap().push(event.clone());
    }
}
