//! Uninhabited stand-ins for sessions, used without feature `websocket`: the enum has no variant, so
//! no session exists.

use std::sync::Arc;

use gabion_core::SessionLimits;

pub(crate) enum Sessions {}

pub(crate) struct Session(Sessions);

impl Sessions {
    pub(crate) fn release(&self, _session: &Session) {
        match *self {}
    }
}

impl Session {
    pub(crate) fn shared_limits(&self) -> Option<Arc<SessionLimits>> {
        match self.0 {}
    }

    pub(crate) fn limits(&self) -> Option<&SessionLimits> {
        match self.0 {}
    }

    pub(crate) fn skip_message_rules(&self) {
        match self.0 {}
    }
}
