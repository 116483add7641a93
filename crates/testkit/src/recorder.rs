//! A sink that remembers.

use std::sync::Mutex;

use gabion_core::{Event, Sink};

/// Keeps every event, to be asked about.
#[derive(Debug, Default)]
pub struct Recorder {
    events: Mutex<Vec<Event>>,
}

impl Recorder {
    /// What happened since it was last asked.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    /// The same, each in the words that a person reads.
    pub fn take_words(&self) -> Vec<String> {
        self.take().iter().map(ToString::to_string).collect()
    }
}

impl Sink for Recorder {
    fn record(&self, event: &Event) {
        self.events.lock().unwrap().push(event.clone());
    }
}
