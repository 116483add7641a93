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
        let words = |event| match event {
            Event::Request(event) => event.to_string(),
            Event::Ban(event) => event.to_string(),
            Event::Policy(event) => event.to_string(),
            other => format!("{other:?}"),
        };
        self.take().into_iter().map(words).collect()
    }
}

impl Sink for Recorder {
    fn record(&self, event: &Event) {
        self.events.lock().unwrap().push(event.clone());
    }
}
