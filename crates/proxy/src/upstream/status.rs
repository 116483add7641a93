//! The state of one upstream, and the events about its changes.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use gabion_core::UpstreamState;

use crate::event_sink::EventSink;

/// The state of one upstream as events describe it: one event for each change, whatever its cause, and none for a
/// result that changes nothing.
#[derive(Debug)]
pub(super) struct Status {
    /// The URL of the upstream.
    name: Box<str>,
    event_sink: EventSink,
    /// Held while an event is recorded, so that the events of one upstream are in order.
    causes: Mutex<Causes>,
}

/// The reasons why an upstream is not up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Causes {
    pub(super) is_unhealthy: bool,
    pub(super) is_ejected: bool,
    pub(super) is_unresolved: bool,
}

// === impl Status ===

impl Status {
    pub(super) fn new(name: impl fmt::Display, event_sink: EventSink) -> Self {
        Self {
            name: name.to_string().into(),
            event_sink,
            causes: Mutex::default(),
        }
    }

    /// Returns the state of the last event.
    pub(super) fn reported(&self) -> UpstreamState {
        let causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        causes.state()
    }

    /// Changes the causes, and records an event if the state is another one then. Called when something changes,
    /// never for each request.
    pub(super) fn change(&self, change: impl FnOnce(&mut Causes), reason: impl fmt::Display) {
        let mut causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        let old = causes.state();
        change(&mut causes);
        let new = causes.state();
        if old != new {
            self.event_sink
                .record_upstream(&self.name, (old, new), &reason);
        }
    }
}

// === impl Causes ===

impl Causes {
    const fn state(self) -> UpstreamState {
        match self {
            Self {
                is_unhealthy: true, ..
            } => UpstreamState::Unhealthy,
            Self {
                is_ejected: true, ..
            } => UpstreamState::Ejected,
            Self {
                is_unresolved: true,
                ..
            } => UpstreamState::Unresolved,
            Self { .. } => UpstreamState::Up,
        }
    }
}
