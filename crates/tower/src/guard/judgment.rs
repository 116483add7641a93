//! Judgment of one request, and enforcement of the verdict.

use std::{borrow::Cow, ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use gabion_core::{
    Denial, Event, Facts, Forward, Head, OnFault, RequestEvent, RequestEventKind, RequestState,
    Resolution, Snapshot, Upgrade, Verdict,
};
use http::{Method, Request, Response, StatusCode};

use super::{
    event_stream,
    exchange::{Exchange, RequestChanges},
    offer,
};
use crate::{
    Connection,
    engine::{Engine, Sharing, catch_panic, is_repeatable},
    protocol::protocol,
    reply,
};

/// The result of [`Engine::judge`].
pub(super) enum Decision<'p> {
    /// The inner service responds. Its response is passed to the inspectors of the policy.
    Pass(Exchange, Cow<'p, Arc<Snapshot>>),
    /// Judgment failed, and the policy lets such requests pass, with the upgrade offers that may
    /// stay.
    Unjudged(Option<Upgrade>),
    /// The layer responds itself.
    Respond(Response<Bytes>),
}

impl Engine {
    /// Judges one request by the current policy, reports the verdict and acts on it.
    pub(super) fn judge<B>(self: &Arc<Self>, request: &Request<B>) -> Decision<'_> {
        let extensions = request.extensions();
        let Some(connection) = self.connection.connection(extensions) else {
            return Decision::Respond(self.missing_peer_response());
        };
        let policy = self.source.lend();
        let outer = self.sharing.outer_resolution(extensions);
        let head = head(request, &connection);
        let mut facts = Facts::unresolved(head, connection.peer, self.clock.now());
        let is_restored = (outer.filter(|_| self.sharing == Sharing::Outer))
            .is_some_and(|outer| facts.restore(outer, policy.needs));
        if !is_restored {
            facts.resolve_by(&policy.client, policy.needs);
        }
        let mut exchange = Exchange {
            generation: policy.generation,
            state: RequestState::new_for(&facts, policy.needs),
            is_allowed: false,
            resolution: None,
            changes: RequestChanges {
                inserts_client: self.inserts_client || connection.inserts_client,
                // Without its prefix, the target is not the one that was judged.
                makes_canonical: policy.forward == Forward::Canonical
                    && connection.target.is_none(),
                upgrade_offer: offer::find(&facts),
            },
            rare: None,
        };
        let is_counted = outer.is_some_and(Resolution::is_counted);
        exchange.state.set_counted(is_counted);
        if facts.client.is_unclear() {
            self.report_setup(facts.now, || Event::UntrustedProxy(facts.peer.addr()));
        }
        if let ControlFlow::Break(decision) = self.inspect(&facts, &policy, &mut exchange) {
            return decision;
        }
        let is_repeatable = || is_restored || is_repeatable(&facts, &policy.client);
        if (self.sharing).leaves_resolution(outer, self.bans.is_some(), is_repeatable) {
            let is_counted = is_counted || self.bans.is_some();
            exchange.resolution = Some(Arc::new(facts.resolution().with_counted(is_counted)));
        }
        Decision::Pass(exchange, policy)
    }

    /// Judges `facts` with the inspectors of the policy, and acts on the verdict, or on a panic. Breaks
    /// with the decision if the request does not pass.
    fn inspect(
        self: &Arc<Self>,
        facts: &Facts<'_>,
        policy: &Snapshot,
        exchange: &mut Exchange,
    ) -> ControlFlow<Decision<'static>> {
        let state = &mut exchange.state;
        let judged = catch_panic(|| policy.chain.inspect(facts, state));
        if !exchange.state.observed().is_empty() {
            for denial in exchange.state.observed().to_vec() {
                self.observe(facts, exchange, denial.into());
            }
        }
        match judged.map(|verdict| self.observe_override.apply(verdict, facts.now)) {
            Err(message) => ControlFlow::Break(self.fault(facts, policy, exchange, message)),
            Ok(Verdict::Pass) => self.pass(facts, policy, exchange),
            Ok(Verdict::Allow(cause)) => {
                self.report_request(facts, policy.generation, || {
                    RequestEventKind::Allowed(*cause)
                });
                exchange.is_allowed = true;
                self.pass(facts, policy, exchange)
            }
            Ok(Verdict::Deny(denial)) if denial.is_observed() => {
                self.observe(facts, exchange, denial);
                self.pass(facts, policy, exchange)
            }
            Ok(Verdict::Deny(denial)) => ControlFlow::Break(Decision::Respond(
                self.deny(facts, policy, exchange, denial),
            )),
        }
    }

    /// Keeps a denial that does not take effect, to report it with the response.
    pub(super) fn observe(&self, facts: &Facts<'_>, exchange: &mut Exchange, denial: Box<Denial>) {
        if let Some(sink) = &self.sink {
            let kind = RequestEventKind::Denied(denial);
            let event = RequestEvent::new(facts, exchange.generation, kind);
            exchange.rare_mut().observed.push(sink, event);
        }
    }

    /// Lets a request pass. A WebSocket handshake needs a permit.
    fn pass(
        self: &Arc<Self>,
        facts: &Facts<'_>,
        policy: &Snapshot,
        exchange: &mut Exchange,
    ) -> ControlFlow<Decision<'static>> {
        match self.permit(facts, policy, exchange) {
            Ok(None) => {}
            Ok(permit) => exchange.rare_mut().permit = permit,
            Err(denial) => {
                let response = self.deny(facts, policy, exchange, denial);
                return ControlFlow::Break(Decision::Respond(response));
            }
        }
        exchange.state.keep_target(facts);
        if self.sessions.is_some() && event_stream::is_accepted(&facts.index) {
            exchange.rare_mut().stream_path = Some(facts.uri.path().into());
        }
        ControlFlow::Continue(())
    }

    fn fault(
        &self,
        facts: &Facts<'_>,
        policy: &Snapshot,
        exchange: &Exchange,
        message: String,
    ) -> Decision<'static> {
        self.report_request(facts, policy.generation, || {
            RequestEventKind::Fault(message)
        });
        match policy.on_fault {
            OnFault::Pass => Decision::Unjudged(exchange.changes.upgrade_offer),
            OnFault::Refuse => Decision::Respond(reply::plain(StatusCode::SERVICE_UNAVAILABLE)),
        }
    }

    pub(super) fn report_request(
        &self,
        facts: &Facts<'_>,
        generation: u64,
        kind: impl FnOnce() -> RequestEventKind,
    ) {
        self.report(|| Event::Request(RequestEvent::new(facts, generation, kind())));
    }
}

pub(super) fn head<'r, B>(request: &'r Request<B>, connection: &Connection<'r>) -> Head<'r> {
    Head {
        method: request.method(),
        uri: connection.target.unwrap_or_else(|| request.uri()),
        version: request.version(),
        headers: request.headers(),
        // The extension is looked up only where it has a meaning.
        protocol: (*request.method() == Method::CONNECT)
            .then(|| protocol(request.extensions()))
            .flatten(),
        framing: connection.framing,
        scheme: connection.scheme,
    }
}
