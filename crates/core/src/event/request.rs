//! Events about requests.

use std::{fmt, net::IpAddr, time::SystemTime};

use http::{Method, StatusCode};

use super::cut;
use crate::{Cause, ClientIp, Denial, Escaped, Facts, Redacted, RequestState};

/// A denied, allowed or failed request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestEvent {
    /// The wall-clock time.
    pub at: SystemTime,
    /// The client.
    pub client: ClientIp,
    /// The remote address of the socket.
    pub peer: IpAddr,
    /// The method, at most [`RequestEvent::MAX_METHOD`] bytes.
    pub method: Method,
    /// Path and query as sent, at most [`RequestEvent::MAX_TARGET`] bytes. Print it with
    /// [`Redacted`].
    pub target: Box<[u8]>,
    /// The generation of the policy that decided.
    pub generation: u64,
    /// The kind of event.
    pub kind: RequestEventKind,
    /// The status with which the service answered a request that a rule in observe mode would have denied.
    /// `None` for other events, and if the exchange ended without a response of the service.
    pub answered: Option<StatusCode>,
}

/// The kinds of [`RequestEvent`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RequestEventKind {
    /// An allow rule let the request through.
    Allowed(Cause),
    /// A rule denied the request, or would have: see [`Denial::mode`].
    Denied(Box<Denial>),
    /// A panic, with its message of at most [`FaultEvent::MAX_WORDS`] bytes: in an inspector, so that the policy's `on_fault` decided, or in a
    /// reply, so that a plain denial was sent. Print the message escaped: it may contain bytes from
    /// a client.
    Fault(String),
}

/// A panic in an inspector that processed a response or a message. The response is sent unchanged,
/// and the inspector's state is not updated.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FaultEvent {
    /// The wall-clock time.
    pub at: SystemTime,
    /// The client.
    pub client: ClientIp,
    /// The generation of the policy that decided.
    pub generation: u64,
    /// The panic message, at most [`FaultEvent::MAX_WORDS`] bytes. Print it escaped: it may contain
    /// bytes from a client.
    pub words: String,
}

/// A probe that the server answered with 2xx or 5xx.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProbeHitEvent {
    /// The wall-clock time.
    pub at: SystemTime,
    /// The client that sent the probe.
    pub client: ClientIp,
    /// The method, at most [`RequestEvent::MAX_METHOD`] bytes.
    pub method: Method,
    /// Path and query as sent, at most [`RequestEvent::MAX_TARGET`] bytes; empty if they were not
    /// kept ([`RequestState::target`]). Print it with [`Redacted`].
    pub target: Box<[u8]>,
    /// The reason why the request is a probe.
    pub cause: Cause,
    /// The status of the response: 2xx or 5xx.
    pub status: StatusCode,
}

// === impl RequestEvent ===

impl RequestEvent {
    /// The maximum number of bytes of the request target that are kept.
    pub const MAX_TARGET: usize = Facts::MAX_KEPT_TARGET;

    /// The maximum number of bytes of the method that are kept.
    pub const MAX_METHOD: usize = 32;

    /// Creates an event about the request behind `facts`.
    pub fn new(facts: &Facts<'_>, generation: u64, kind: RequestEventKind) -> Self {
        let kind = match kind {
            RequestEventKind::Fault(words) => RequestEventKind::Fault(kept_words(words)),
            kind => kind,
        };
        Self {
            at: facts.now.wall(),
            client: facts.client,
            peer: facts.peer.addr(),
            method: kept_method(facts.method),
            target: facts.kept_target(),
            generation,
            kind,
            answered: None,
        }
    }

    /// Sets the status with which the service answered.
    pub fn with_answered(self, answered: Option<StatusCode>) -> Self {
        Self { answered, ..self }
    }
}

impl fmt::Display for RequestEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} \"{}\" {}",
            self.client.addr(),
            self.method,
            Redacted(&self.target),
            self.kind
        )?;
        match self.answered {
            Some(status) => write!(f, "; the server answered {}", status.as_u16()),
            None => Ok(()),
        }
    }
}

// === impl RequestEventKind ===

impl fmt::Display for RequestEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed(cause) => write!(f, "allowed: {cause}"),
            Self::Denied(denial) => denial.fmt(f),
            Self::Fault(words) => {
                write!(
                    f,
                    "panic while handling the request: \"{}\"",
                    Escaped(words.as_bytes())
                )
            }
        }
    }
}

// === impl FaultEvent ===

impl FaultEvent {
    /// The maximum number of bytes of the panic message that are kept.
    pub const MAX_WORDS: usize = 512;

    /// Creates an event about a panic with the message `words`.
    pub fn new(at: SystemTime, client: ClientIp, generation: u64, words: String) -> Self {
        let words = kept_words(words);
        Self {
            at,
            client,
            generation,
            words,
        }
    }
}

impl fmt::Display for FaultEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, words) = (self.client.addr(), Escaped(self.words.as_bytes()));
        write!(f, "{client} panic in an inspector: \"{words}\"")
    }
}

// === impl ProbeHitEvent ===

impl ProbeHitEvent {
    /// Creates an event about the probe behind `state`, answered with `status`.
    pub fn new(at: SystemTime, state: &RequestState, cause: Cause, status: StatusCode) -> Self {
        Self {
            at,
            client: *state.client(),
            method: kept_method(state.method()),
            target: state.target().unwrap_or_default().into(),
            cause,
            status,
        }
    }
}

impl fmt::Display for ProbeHitEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, status) = (self.client.addr(), self.status.as_u16());
        let (method, target) = (&self.method, Redacted(&self.target));
        write!(
            f,
            "{client}: the server answered {status} to a probe: {method} \"{target}\"; {}",
            self.cause
        )
    }
}

/// The start of `method`, of at most [`RequestEvent::MAX_METHOD`] bytes.
pub(super) fn kept_method(method: &Method) -> Method {
    let start = cut(method.as_str(), RequestEvent::MAX_METHOD);
    if start.len() == method.as_str().len() {
        return method.clone();
    }
    // The start of a token is a token.
    Method::from_bytes(start.as_bytes()).unwrap_or_default()
}

fn kept_words(mut words: String) -> String {
    words.truncate(cut(&words, FaultEvent::MAX_WORDS).len());
    words
}
