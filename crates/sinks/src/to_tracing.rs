//! Events as `tracing` records.

use gabion_core::{
    BanEvent, ClaimRemovedEvent, ConnectionRefusedEvent, Diagnosis, DiagnosisEvent, Escaped, Event,
    LogChange, LogEvent, Mode, PolicyEvent, ProbeHitEvent, ProxyFailureEvent, Redacted,
    RequestEvent, RequestEventKind, SessionEvent, SessionKind, Sink, StoreChange, StoreEvent,
    UnparsableEvent, UpstreamEvent, UpstreamState,
};
use tracing::{debug, error, info, warn};

/// A sink that sends events to `tracing`, with the target `gabion`.
///
/// Levels: a denial or a refused connection is `info`, since both are common on an open port; a ban,
/// a failure of the proxy, an upstream that is not up and a closed session are `warn`; an event that needs
/// an operator (a panic, a rejected policy, a setup error, an outage of the store) is `error`. A close frame
/// from one side with a reason is `debug`.
///
/// No client can forge a field: the message contains nothing that a client wrote, fields that no client
/// writes come first, and each field that a client writes is a string, which formatters quote, with
/// quotes and control characters escaped in it. Values of the query are replaced by `…`
/// ([`Redacted`]) unless [`Tracing::with_query_values`] is called.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use gabion_core::{Event, Sink};
/// use gabion_sinks::{Bounded, EventBudget, Tracing};
///
/// let sink: Arc<dyn Sink> = Arc::new(Bounded::new(Tracing::default(), EventBudget::default()));
/// sink.record(&Event::Setup("the peer address is missing in the request's extensions"));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracing {
    shows_query_values: bool,
}

/// A field that a client wrote: formatters quote it, because it is a string.
macro_rules! quoted {
    ($value:expr) => {
        $value.to_string().as_str()
    };
}

// === impl Tracing ===

impl Tracing {
    /// Sets whether the values of queries are shown, which may be passwords, tokens and personal data.
    pub const fn with_query_values(mut self, shows_query_values: bool) -> Self {
        self.shows_query_values = shows_query_values;
        self
    }

    fn shown(self, target: &[u8]) -> String {
        if self.shows_query_values {
            Escaped(target).to_string()
        } else {
            Redacted(target).to_string()
        }
    }

    fn request(self, event: &RequestEvent) {
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
                // The macro evaluates its fields only where a subscriber is interested.
                info!(
                    target: "gabion",
                    client = %event.client,
                    peer = %event.peer,
                    rule = %cause.rule,
                    mode = %denial.mode,
                    status,
                    answered,
                    policy = event.generation,
                    event = denial.event.map(tracing::field::display),
                    view = cause.view.map(|view| view.to_string()),
                    diagnosis = denial.diagnosis.map(|diagnosis| diagnosis.to_string()),
                    advice = denial.diagnosis.map(Diagnosis::advice),
                    reason = quoted!(cause.summary()),
                    method = event.method.as_str(),
                    target = self.shown(&event.target),
                    "{result} ({status}){}",
                    answered.map(answer).unwrap_or_default()
                );
            }
            RequestEventKind::Allowed(cause) => info!(
                target: "gabion",
                client = %event.client,
                rule = %cause.rule,
                policy = event.generation,
                reason = quoted!(cause.summary()),
                method = event.method.as_str(),
                target = self.shown(&event.target),
                "allowed"
            ),
            RequestEventKind::Fault(words) => error!(
                target: "gabion",
                client = %event.client,
                policy = event.generation,
                panic = quoted!(Escaped(words.as_bytes())),
                method = event.method.as_str(),
                target = self.shown(&event.target),
                "panic while handling the request"
            ),
            // A kind that a later version of the core adds.
            kind => {
                info!(target: "gabion", client = %event.client, event = quoted!(kind), "request");
            }
        }
    }

    fn probe_hit(self, event: &ProbeHitEvent) {
        let status = event.status.as_u16();
        warn!(
            target: "gabion",
            client = %event.client,
            rule = %event.cause.rule,
            status,
            reason = quoted!(event.cause.summary()),
            method = event.method.as_str(),
            target = self.shown(&event.target),
            "the server answered {status} to a probe"
        );
    }

    fn unparsable(self, event: &UnparsableEvent) {
        let status = event.part.status().map(|status| status.as_u16());
        let answer = status.map_or_else(|| "closed".to_owned(), |status| status.to_string());
        info!(
            target: "gabion",
            peer = %event.peer,
            rule = %event.part.id(),
            status,
            reason = event.part.to_string(),
            line = self.shown(&event.line),
            "refused ({answer}): not a request"
        );
    }

    fn proxy_failure(self, event: &ProxyFailureEvent) {
        let status = event.status.as_u16();
        warn!(
            target: "gabion",
            client = event.client.map(tracing::field::display),
            status,
            upstream = &*event.upstream,
            error = &*event.error,
            method = event.method.as_str(),
            target = self.shown(&event.target),
            "answered {status} by the proxy"
        );
    }
}

impl Sink for Tracing {
    fn record(&self, event: &Event) {
        match event {
            Event::Request(event) => self.request(event),
            Event::Ban(event) => ban(event),
            Event::Policy(event @ PolicyEvent::Kept { .. }) => {
                error!(target: "gabion", "{event}");
            }
            Event::Policy(
                event @ (PolicyEvent::ObserveOverride { .. } | PolicyEvent::Warned { .. }),
            ) => {
                warn!(target: "gabion", "{event}");
            }
            Event::Audit(event) => info!(target: "gabion", "{event}"),
            Event::Policy(event) => info!(target: "gabion", "{event}"),
            Event::Fault(event) => error!(
                target: "gabion",
                client = %event.client,
                policy = event.generation,
                panic = quoted!(Escaped(event.words.as_bytes())),
                "panic in an inspector"
            ),
            Event::ProbeHit(event) => self.probe_hit(event),
            Event::Session(event) => session(event),
            Event::Diagnosis(event) => diagnosis(event),
            Event::Unparsable(event) => self.unparsable(event),
            Event::ConnectionRefused(event) => connection_refused(event),
            Event::ClaimRemoved(event) => claim_removed(event),
            Event::ProxyFailure(event) => self.proxy_failure(event),
            Event::Store(event) => store(event),
            Event::Upstream(event) => upstream(event),
            Event::Log(event) => log(event),
            Event::Setup(_) | Event::UntrustedProxy(_) => error!(target: "gabion", "{event}"),
            Event::Suppressed(event) => warn!(target: "gabion", "{event}"),
            // A kind that a later version of the core adds.
            other => warn!(target: "gabion", event = quoted!(other), "event"),
        }
    }
}

fn upstream(event: &UpstreamEvent) {
    let (old, new, reason) = (event.old, event.new, &*event.reason);
    if new == UpstreamState::Up {
        info!(target: "gabion", upstream = &*event.upstream, reason, "upstream is {new}, it was {old}");
    } else {
        warn!(target: "gabion", upstream = &*event.upstream, reason, "upstream is {new}, it was {old}");
    }
}

fn connection_refused(event: &ConnectionRefusedEvent) {
    info!(
        target: "gabion",
        peer = %event.peer,
        reason = event.limit.to_string(),
        "connection refused"
    );
}

fn claim_removed(event: &ClaimRemovedEvent) {
    warn!(
        target: "gabion",
        peer = %event.peer,
        claim = event.claim.name(),
        setting = event.setting.as_deref(),
        header = Escaped(event.header.as_bytes()).to_string(),
        "removed a header that only a trusted proxy may write"
    );
}

fn ban(event: &BanEvent) {
    let mut message = event.clone();
    let reason = message.offense.reason.take();
    warn!(
        target: "gabion",
        client = %event.client,
        rule = %event.offense.rule,
        reason = reason.as_deref(),
        "{message}"
    );
}

fn store(event: &StoreEvent) {
    match event.change {
        StoreChange::Recovered => info!(target: "gabion", "{event}"),
        StoreChange::Overflowed { .. } => warn!(target: "gabion", "{event}"),
        // An outage or a damaged file, or a change that a later version of the core adds.
        _ => error!(target: "gabion", "{event}"),
    }
}

fn log(event: &LogEvent) {
    match event.change {
        LogChange::Recovered => info!(target: "gabion", "{event}"),
        LogChange::Dropped { .. } => warn!(target: "gabion", "{event}"),
        // An outage, or a change that a later version of the core adds.
        _ => error!(target: "gabion", "{event}"),
    }
}

fn session(event: &SessionEvent) {
    let kind = match event.kind {
        SessionKind::WebSocket => "WebSocket",
        SessionKind::EventStream => "event stream",
        _ => "session",
    };
    warn!(
        target: "gabion",
        client = %event.client,
        session = %event.session,
        policy = event.generation,
        reason = quoted!(event.ending),
        path = quoted!(Escaped(&event.path)),
        "{kind} {}",
        event.result()
    );
}

fn diagnosis(event: &DiagnosisEvent) {
    let (made, advice) = (event.diagnosis, event.diagnosis.advice());
    let (client, seen, path) = (event.client, &*event.seen, Escaped(&event.path));
    if made == Diagnosis::Closed {
        debug!(target: "gabion", %client, advice, seen, path = quoted!(path), "{made}");
    } else {
        warn!(target: "gabion", %client, advice, seen, path = quoted!(path), "{made}");
    }
}
