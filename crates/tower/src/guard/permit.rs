//! The seat of a socket, from the handshake to its answer.

use std::sync::Arc;

use bytes::Bytes;
use gabion_core::{Denial, Event, Facts, Mode, RequestEventKind, Snapshot, Upgrade, Verdict};
use http::{HeaderMap, Request, Response, StatusCode};

use super::{
    engine::{Engine, Exchange},
    offer,
};
use crate::{
    reply,
    websocket::{self, SessionPermit},
};

impl Engine {
    /// A seat for whoever asks for a WebSocket.
    pub(super) fn permit(
        &self,
        facts: &Facts<'_>,
        policy: &Snapshot,
    ) -> Result<Option<SessionPermit>, Box<Denial>> {
        let enforcer = self.enforcer.as_ref();
        let Some(enforcer) = enforcer.filter(|_| facts.upgrade == Upgrade::WebSocket) else {
            return Ok(None);
        };
        let reserve = |capped| enforcer.reserve(facts, policy, capped);
        let denied = match reserve(true) {
            Ok(permit) => return Ok(Some(permit)),
            Err(denied) => self.observe_override.apply((*denied).into(), facts.now),
        };
        match denied {
            Verdict::Deny(denied) if denied.mode == Mode::Observe => {
                self.report_request(facts, policy, || RequestEventKind::Denied(denied));
                reserve(false).map(Some)
            }
            Verdict::Deny(denied) => Err(Box::new(denied)),
            Verdict::Pass | Verdict::Allow(_) => Ok(None),
        }
    }

    /// Gives a handshake's seat to the stream that the service will have; or an answer where that
    /// fails, so that no socket opens unwatched.
    pub(super) fn tap<B>(
        &self,
        request: &mut Request<B>,
        exchange: &mut Exchange,
    ) -> Result<(), Box<Response<Bytes>>> {
        let Some(permit) = exchange.permit.take() else {
            return Ok(());
        };
        let session = Arc::clone(permit.session());
        if exchange.allowed {
            session.skip_message_rules();
        } else if let Some(limits) = session.limits() {
            let observes = !self.observe_override.remaining(self.clock.now()).is_zero();
            offer::restrict_handshake(request.headers_mut(), limits, observes);
        }
        exchange.session = Some(session);
        websocket::install(request.extensions_mut(), permit).map_err(|help| {
            self.report(|| Event::Setup(help));
            Box::new(reply::plain(StatusCode::SERVICE_UNAVAILABLE))
        })
    }

    /// Tells a session how the service answered: 101 opens it (RFC 6455, 4.2.2), and 2xx to a CONNECT
    /// (RFC 8441, 5). Any other answer frees its seat.
    pub(super) fn open_or_release(
        &self,
        exchange: &Exchange,
        status: StatusCode,
        headers: &HeaderMap,
    ) {
        let (Some(enforcer), Some(session)) = (&self.enforcer, &exchange.session) else {
            return;
        };
        if status == StatusCode::SWITCHING_PROTOCOLS || status.is_success() {
            // What came into force between the judgment and the seat has found no session to end.
            enforcer.on_handshake_response(session, headers);
        } else {
            enforcer.sessions().release(session);
        }
    }
}
