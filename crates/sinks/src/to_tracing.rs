//! Events as `tracing` records.

use gabion_core::{
    Diagnosis, Escaped, Event, Mode, PolicyEvent, RequestEvent, RequestEventKind, Sink,
    UnparsableEvent,
};
use tracing::{debug, error, info, warn};

/// A sink that sends events to `tracing`, with the target `gabion`.
///
/// Levels: a denial or a refused connection is `info`, since both are common on an open port; a ban is `warn`; an event
/// that needs an operator (a panic, a rejected policy, a setup error) is `error`. A close frame
/// from one side with a reason is `debug`.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use gabion_core::{Event, Sink};
/// use gabion_sinks::{Bounded, EventBudget, Tracing};
///
/// let sink: Arc<dyn Sink> = Arc::new(Bounded::new(Tracing, EventBudget::default()));
/// sink.record(&Event::Setup("the peer address is missing in the request's extensions"));
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no state")]
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
                warn!(target: "gabion", "{event}");
            }
            Event::Policy(event) => error!(target: "gabion", "{event}"),
            Event::Fault(event) => error!(
                target: "gabion",
                client = %event.client,
                panic = ?event.words,
                policy = event.generation,
                "panic in an inspector"
            ),
            Event::Unparsable(event) => unparsable(event),
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
            let status = denial.status.as_u16();
            let result = match denial.mode {
                Mode::Enforce => "denied",
                Mode::Observe => "would have been denied",
            };
            let answered = event.answered.map(|status| status.as_u16());
            let answer = |status| format!("; the server answered {status}");
            // The macro evaluates its fields only where a subscriber is interested. Strings, unlike
            // `Display` values, are quoted by text formatters.
            info!(
                target: "gabion",
                client = %event.client,
                peer = %event.peer,
                method = %event.method,
                %target,
                rule = %cause.rule,
                reason = cause.summary().to_string(),
                view = cause.view.map(|view| view.to_string()),
                mode = %denial.mode,
                status,
                answered,
                diagnosis = denial.diagnosis.map(|diagnosis| diagnosis.to_string()),
                advice = denial.diagnosis.map(Diagnosis::advice),
                policy = event.generation,
                event = denial.event.map(tracing::field::display),
                "{result} ({status}){}",
                answered.map(answer).unwrap_or_default()
            );
        }
        RequestEventKind::Fault(words) => error!(
            target: "gabion",
            client = %event.client,
            method = %event.method,
            %target,
            panic = ?words,
            "panic while handling the request"
        ),
        kind => info!(
            target: "gabion",
            client = %event.client,
            method = %event.method,
            %target,
            policy = event.generation,
            "{kind}"
        ),
    }
}

fn unparsable(event: &UnparsableEvent) {
    let status = event.part.status().map(|status| status.as_u16());
    let answer = status.map_or_else(|| "closed".to_owned(), |status| status.to_string());
    info!(
        target: "gabion",
        peer = %event.peer,
        rule = %event.part.id(),
        reason = event.part.to_string(),
        line = Escaped(&event.line).to_string(),
        status,
        "refused ({answer}): not a request"
    );
}
