//! Uninhabited stand-ins for the session types, used without feature `websocket`: the enum
//! `Sessions` has no variant, so no session exists.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use gabion_core::{ClientIp, Denial, Facts, SessionLimits, Snapshot};
use http::{Extensions, HeaderMap};

pub(crate) enum Sessions {}

pub(crate) struct SessionEnforcer(Sessions);

pub(crate) struct SessionPermit(Sessions);

pub(crate) struct Session(Sessions);

pub(crate) struct EventStream(Sessions);

#[expect(
    clippy::needless_pass_by_value,
    reason = "same signature as with sessions"
)]
pub(crate) fn install(
    _extensions: &mut Extensions,
    permit: SessionPermit,
) -> Result<(), &'static str> {
    match permit.0 {}
}

impl SessionEnforcer {
    pub(crate) const fn sessions(&self) -> &Arc<Sessions> {
        match self.0 {}
    }

    pub(crate) fn reserve(
        self: &Arc<Self>,
        _facts: &Facts<'_>,
        _policy: &Snapshot,
        _capped: bool,
    ) -> Result<SessionPermit, Box<Denial>> {
        match self.0 {}
    }

    pub(crate) fn permit_stream(
        self: &Arc<Self>,
        _client: ClientIp,
        _path: &str,
        _generation: u64,
    ) -> Option<SessionPermit> {
        match self.0 {}
    }

    pub(crate) fn recheck(&self, _session: &Session) {
        match self.0 {}
    }

    pub(crate) fn on_handshake_response(&self, _session: &Session, _headers: &HeaderMap) {
        match self.0 {}
    }
}

impl Sessions {
    pub(crate) fn release(&self, _session: &Session) {
        match *self {}
    }
}

impl SessionPermit {
    pub(crate) const fn session(&self) -> &Arc<Session> {
        match self.0 {}
    }
}

impl EventStream {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "same signature as with sessions"
    )]
    pub(crate) fn new(permit: SessionPermit) -> Self {
        match permit.0 {}
    }

    pub(crate) fn poll_end(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        match self.0 {}
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
