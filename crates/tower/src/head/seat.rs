//! The seat of a socket, from the handshake to its answer.

use std::sync::Arc;

use bytes::Bytes;
use gabion_core::{Denial, Event, Facts, Mode, Snapshot, Upgrade, Verdict, What};
use http::{HeaderMap, Request, Response, StatusCode};

use super::{
    offer,
    shell::{Exchange, Shell},
};
use crate::{
    reply,
    upgrade::{self, Seat},
};

impl Shell {
    /// A seat for whoever asks for a WebSocket.
    pub(super) fn seat(
        &self,
        facts: &Facts<'_>,
        policy: &Snapshot,
    ) -> Result<Option<Seat>, Box<Denial>> {
        let keeper = self.keeper.as_ref();
        let Some(keeper) = keeper.filter(|_| facts.upgrade == Upgrade::WebSocket) else {
            return Ok(None);
        };
        let reserve = |capped| keeper.reserve(facts, policy, capped);
        let full = match reserve(true) {
            Ok(seat) => return Ok(Some(seat)),
            Err(full) => self.truce.soften((*full).into(), facts.now),
        };
        match full {
            Verdict::Deny(full) if full.mode == Mode::Observe => {
                self.tell_of(facts, policy, || What::Denied(full));
                reserve(false).map(Some)
            }
            Verdict::Deny(full) => Err(Box::new(full)),
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
        let Some(seat) = exchange.seat.take() else {
            return Ok(());
        };
        let session = Arc::clone(seat.session());
        if exchange.allowed {
            session.spare();
        } else if let Some(terms) = session.terms() {
            let observes = !self.truce.left(self.clock.now()).is_zero();
            offer::narrow(request.headers_mut(), terms, observes);
        }
        exchange.session = Some(session);
        upgrade::fit(request.extensions_mut(), seat).map_err(|why| {
            self.tell(|| Event::Setup(why));
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
        let (Some(keeper), Some(session)) = (&self.keeper, &exchange.session) else {
            return;
        };
        if status == StatusCode::SWITCHING_PROTOCOLS || status.is_success() {
            // What came into force between the judgement and the seat has found no session to end.
            keeper.answered(session, headers);
        } else {
            keeper.sessions().release(session);
        }
    }
}
