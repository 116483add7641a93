//! Events as `tracing` sees them.

use gabion_core::{
    Diagnosis, Escaped, Event, Mode, PolicyEvent, RequestEvent, RequestEventKind, Sink,
};
use tracing::{debug, error, info, warn};

/// Hands events to `tracing`, under the target `gabion`.
///
/// A refusal is at level `info`, since on an open port it is nothing unusual; a ban is a `warn`;
/// what needs a person (a fault, a policy that was refused, a guard built in wrongly) an `error`.
/// That a server closed a socket, and said why, is `debug`.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to hold")]
pub struct Tracing;

impl Sink for Tracing {
    fn record(&self, event: &Event) {
        match event {
            Event::Request(event) => request(event),
            Event::Ban(event) => warn!(
                target: "gabion",
                client = %event.client,
                rule = %event.offense.rule,
                "{event}"
            ),
            Event::Policy(event @ PolicyEvent::Replaced { .. }) => {
                info!(target: "gabion", "{event}");
            }
            Event::Policy(event @ PolicyEvent::ObserveOverride { .. }) => {
                warn!(target: "gabion", "{event}")
            }
            Event::Policy(event) => error!(target: "gabion", "{event}"),
            Event::Fault(event) => error!(
                target: "gabion",
                client = %event.client,
                fault = ?event.words,
                policy = event.generation,
                "learning failed"
            ),
            Event::Setup(_) | Event::UntrustedProxy(_) => error!(target: "gabion", "{event}"),
            Event::Diagnosis(event) if event.diagnosis == Diagnosis::Closed => {
                debug!(target: "gabion", "{event}");
            }
            other => warn!(target: "gabion", "{other}"),
        }
    }
}

fn request(event: &RequestEvent) {
    let target = Escaped(&event.target);
    match &event.kind {
        RequestEventKind::Denied(denial) => {
            let cause = &denial.cause;
            let view = cause.view.map(tracing::field::display);
            let verb = match denial.mode {
                Mode::Enforce => "denied",
                Mode::Observe => "would deny",
            };
            info!(
                target: "gabion",
                client = %event.client,
                peer = %event.peer,
                method = %event.method,
                %target,
                rule = %cause.rule,
                reason = %cause.reason,
                matched = %cause.evidence,
                view,
                mode = %denial.mode,
                status = denial.status.as_u16(),
                diagnosis = denial.diagnosis.map(tracing::field::display),
                advice = denial.diagnosis.map(Diagnosis::advice),
                policy = event.generation,
                event = denial.event.map(tracing::field::display),
                "{verb}"
            );
        }
        RequestEventKind::Fault(words) => error!(
            target: "gabion",
            client = %event.client,
            method = %event.method,
            %target,
            fault = ?words,
            "judging failed"
        ),
        what => info!(
            target: "gabion",
            client = %event.client,
            method = %event.method,
            %target,
            policy = event.generation,
            "{what}"
        ),
    }
}
