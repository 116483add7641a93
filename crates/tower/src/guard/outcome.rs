//! The outcome of an exchange, and the findings of the inspectors about it.

use std::time::Duration;

use gabion_core::{
    BanChange, BanEvent, Event, FaultEvent, Findings, Needs, Outcome, ProbeHitEvent, Snapshot,
};
use http::StatusCode;

use super::exchange::Exchange;
use crate::engine::{Engine, catch_panic};

impl Engine {
    /// Returns `true` if the response to a request that passed is inspected or reported.
    pub(super) fn needs_response(&self, policy: &Snapshot, exchange: &Exchange) -> bool {
        policy.needs.contains(Needs::RESPONSES)
            || self.sessions.is_some()
            || exchange.has_observed()
    }

    /// Passes the status and the body length of the service's response to the inspectors of `policy`, which
    /// is `None` if it was freed.
    pub(super) fn on_response(
        &self,
        policy: Option<&Snapshot>,
        exchange: &mut Exchange,
        status: StatusCode,
        length: Option<u64>,
    ) {
        exchange.report_observed(Some(status));
        if let Some(policy) = policy {
            let outcome = Outcome::new(status, None, Duration::ZERO).with_length(length);
            self.process_outcome(policy, exchange, outcome);
        }
    }

    /// Passes an outcome to the inspectors that need it, and acts on their findings.
    pub(super) fn process_outcome(
        &self,
        policy: &Snapshot,
        exchange: &Exchange,
        mut outcome: Outcome<'_>,
    ) {
        let state = &exchange.state;
        if !policy.needs.contains(Needs::RESPONSES) {
            return;
        }
        if policy.needs.contains(Needs::ELAPSED) {
            outcome.elapsed = (self.clock.now().mono()).saturating_sub(state.now().mono());
        }
        let mut findings = Findings::default();
        let on_response = || policy.chain.on_response(state, &outcome, &mut findings);
        match catch_panic(on_response) {
            Ok(()) => self.act_on(exchange, &mut findings, &outcome),
            Err(message) => {
                let (at, generation) = (self.clock.now().wall(), policy.generation);
                let event = FaultEvent::new(at, *state.client(), generation, message);
                self.report(|| Event::Fault(event));
            }
        }
    }

    /// Reports the findings about an exchange, and records the offense.
    fn act_on(&self, exchange: &Exchange, findings: &mut Findings, outcome: &Outcome<'_>) {
        if let Some(event) = findings.diagnosis.take() {
            self.report(|| Event::Diagnosis(event));
        }
        if let Some(cause) = findings.probe_hit.take() {
            let (at, state) = (self.clock.now().wall(), &exchange.state);
            self.report(|| Event::ProbeHit(ProbeHitEvent::new(at, state, cause, outcome.status)));
        }
        let Some(offense) = findings.offense.take() else {
            return;
        };
        let client = *exchange.state.client();
        let now = match outcome.denial {
            // It took no time since the judgment.
            Some(_) => exchange.state.now(),
            None => self.clock.now(),
        };
        if exchange.is_allowed && self.bans.is_some() {
            let change = BanChange::Withheld("a rule allowed the request");
            self.report(|| Event::Ban(BanEvent::new(now.wall(), client, offense, change)));
        } else {
            self.record_offense(client, offense, now);
        }
    }
}
