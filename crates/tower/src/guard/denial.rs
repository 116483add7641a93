//! Responses of the layer itself.

use std::time::Duration;

use bytes::Bytes;
use gabion_core::{
    Denial, Diagnosis, Event, Facts, Outcome, RequestEvent, RequestEventKind, Snapshot, Upgrade,
};
use http::{Response, StatusCode};

use super::{exchange::Exchange, grpc, quota, required_headers};
use crate::{
    engine::{Engine, catch_panic},
    reply,
};

impl Engine {
    /// Denies a request: reports it, records the offense, and creates the response.
    pub(super) fn deny(
        &self,
        facts: &Facts<'_>,
        policy: &Snapshot,
        exchange: &mut Exchange,
        mut denial: Box<Denial>,
    ) -> Response<Bytes> {
        exchange.report_observed(None);
        denial.event = Some(self.ids.next());
        if facts.upgrade == Upgrade::WebSocket {
            denial.diagnosis.get_or_insert(Diagnosis::Denied);
        }
        let mut response = self.reply(facts, policy.generation, &denial);
        required_headers::add(&denial, facts, response.headers_mut());
        quota::add_retry_after(&denial, facts, response.headers_mut());
        quota::add_rate_limit(exchange.state.quotas(), response.headers_mut());
        let denial = self.report_denial(facts, policy.generation, denial);
        if let Some(offense) = denial.offense.clone() {
            self.record_offense(facts.client, offense, facts.now);
        }
        let outcome = Outcome::new(response.status(), Some(&denial), Duration::ZERO);
        self.process_outcome(policy, exchange, outcome);
        grpc::translate(&mut response, &denial, facts);
        response.extensions_mut().insert(*denial);
        response
    }

    /// Reports a denial. Takes it and returns it, so that the event needs no copy.
    fn report_denial(
        &self,
        facts: &Facts<'_>,
        generation: u64,
        denial: Box<Denial>,
    ) -> Box<Denial> {
        let Some(sink) = &self.sink else {
            return denial;
        };
        let kind = RequestEventKind::Denied(denial);
        let event = Event::Request(RequestEvent::new(facts, generation, kind));
        sink.record(&event);
        let Event::Request(RequestEvent {
            kind: RequestEventKind::Denied(denial),
            ..
        }) = event
        else {
            unreachable!("the event is that of the denial")
        };
        denial
    }

    /// Creates the response to a denial, without the headers that are due whatever the reply.
    fn reply(&self, facts: &Facts<'_>, generation: u64, denial: &Denial) -> Response<Bytes> {
        catch_panic(|| self.reply.reply(denial, facts)).unwrap_or_else(|message| {
            self.report_request(facts, generation, || RequestEventKind::Fault(message));
            reply::plain(denial.status)
        })
    }

    /// Reports a request whose peer address is unknown, and creates the response. In debug builds
    /// the body holds the fix.
    pub(super) fn missing_peer_response(&self) -> Response<Bytes> {
        let help = self.connection.missing_peer_help();
        self.report_setup(self.clock.now(), || Event::Setup(help));
        let mut response = reply::plain(StatusCode::SERVICE_UNAVAILABLE);
        if cfg!(debug_assertions) {
            *response.body_mut() = Bytes::from_static(help.as_bytes());
        }
        response
    }
}
