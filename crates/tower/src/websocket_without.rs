//! Stand-ins for the supervision of sessions, used without feature `websocket`: no session exists.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use gabion_core::{ClientIp, Denial, Facts, Snapshot};
use http::{Extensions, HeaderMap};

use crate::{engine::Engine, session::Session};

pub(crate) struct SessionPermit(Infallible);

pub(crate) struct EventStream(Infallible);

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

#[expect(clippy::unused_self, reason = "same signatures as with sessions")]
impl Engine {
    pub(crate) fn recheck(&self, _session: &Session) {}

    pub(crate) fn on_handshake_response(&self, _session: &Session, _headers: &HeaderMap) {}
}

impl SessionPermit {
    #[expect(clippy::unnecessary_wraps, reason = "same signature as with sessions")]
    pub(crate) fn reserve(
        _engine: &Arc<Engine>,
        _facts: &Facts<'_>,
        _policy: &Snapshot,
        _capped: bool,
    ) -> Result<Option<Self>, Box<Denial>> {
        Ok(None)
    }

    pub(crate) fn for_stream(
        _engine: &Arc<Engine>,
        _client: ClientIp,
        _path: &str,
        _generation: u64,
    ) -> Option<Self> {
        None
    }

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
