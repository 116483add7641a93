//! The session permit of a WebSocket, from the handshake request to the response.

use std::sync::Arc;

use bytes::Bytes;
use gabion_core::{Denial, Event, Facts, Snapshot, Upgrade, Verdict};
use http::{HeaderMap, Request, Response, StatusCode};

use super::{exchange::Exchange, offer};
use crate::{
    engine::Engine,
    reply,
    websocket::{self, SessionPermit},
};

impl Engine {
    /// Reserves a permit for a WebSocket handshake. Returns a denial if too many sessions are open.
    pub(super) fn permit(
        self: &Arc<Self>,
        facts: &Facts<'_>,
        policy: &Snapshot,
        exchange: &mut Exchange,
    ) -> Result<Option<SessionPermit>, Box<Denial>> {
        if facts.upgrade != Upgrade::WebSocket {
            return Ok(None);
        }
        let reserve = |capped| SessionPermit::reserve(self, facts, policy, capped);
        let denied = match reserve(true) {
            Ok(permit) => return Ok(permit),
            Err(denied) => self
                .observe_override
                .apply(Verdict::Deny(denied), facts.now),
        };
        match denied {
            Verdict::Deny(denied) if denied.is_observed() => {
                self.observe(facts, exchange, denied);
                reserve(false)
            }
            Verdict::Deny(denied) => Err(denied),
            Verdict::Pass | Verdict::Allow(_) => Ok(None),
        }
    }

    /// Hands the permit to the upgraded stream that the service will receive. Returns a response if
    /// that fails, so that no WebSocket opens without supervision.
    pub(super) fn tap<B>(
        &self,
        request: &mut Request<B>,
        exchange: &mut Exchange,
    ) -> Result<(), Box<Response<Bytes>>> {
        let Some(permit) = exchange.take_permit() else {
            return Ok(());
        };
        let session = Arc::clone(permit.session());
        if exchange.is_allowed {
            session.skip_message_rules();
        } else if let Some(limits) = session.limits() {
            let observes = self.is_overridden(self.clock.now());
            offer::restrict_handshake(request.headers_mut(), limits, observes);
        }
        exchange.rare_mut().session = Some(session);
        websocket::install(request.extensions_mut(), permit).map_err(|help| {
            self.report(|| Event::Setup(help));
            Box::new(reply::plain(StatusCode::SERVICE_UNAVAILABLE))
        })
    }

    /// Opens the session if the service accepted the handshake, with 101 (RFC 6455, 4.2.2) or, for
    /// a CONNECT, with 2xx (RFC 8441, 5). Any other response releases the permit.
    pub(super) fn open_or_release(
        &self,
        exchange: &Exchange,
        status: StatusCode,
        headers: &HeaderMap,
    ) {
        let (Some(sessions), Some(session)) = (&self.sessions, exchange.session()) else {
            return;
        };
        if status == StatusCode::SWITCHING_PROTOCOLS || status.is_success() {
            // A ban or policy change between judgment and registration did not reach this session.
            self.on_handshake_response(session, headers);
        } else {
            sessions.release(session);
        }
    }
}
