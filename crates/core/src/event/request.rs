//! What happened to a request.

use std::{fmt, net::IpAddr, time::SystemTime};

use http::{Method, StatusCode};

use crate::{Cause, ClientIp, Denial, Escaped, Facts, RequestState};

/// What happened to a request, and which.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestEvent {
    /// When, for people.
    pub at: SystemTime,
    /// Whom we hold responsible.
    pub client: ClientIp,
    /// The other end of the socket.
    pub peer: IpAddr,
    /// The method.
    pub method: Method,
    /// Path and query as sent, at most [`RequestEvent::MAX_TARGET`] bytes. Print it escaped.
    pub target: Box<[u8]>,
    /// The policy that judged.
    pub generation: u64,
    /// What happened.
    pub kind: RequestEventKind,
}

/// What happened to a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RequestEventKind {
    /// An allow rule let it through.
    Allowed(Cause),
    /// A rule refused it, or would have: see [`Denial::mode`].
    Denied(Denial),
    /// An inspector panicked with these words; the policy's `on_fault` decided. Or a reply did,
    /// and the refusal was answered plainly. Print the words escaped: they may hold what a
    /// stranger sent.
    Fault(String),
}

/// An inspector that panicked while it learned how an exchange ended: the answer stands, and
/// nothing was learned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FaultEvent {
    /// When, for people.
    pub at: SystemTime,
    /// Whose exchange it was.
    pub client: ClientIp,
    /// The policy that judged.
    pub generation: u64,
    /// The words of the panic. Print them escaped: they may hold what a stranger sent.
    pub words: String,
}

/// A probe that got somewhere.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProbeHitEvent {
    /// When, for people.
    pub at: SystemTime,
    /// Who probed.
    pub client: ClientIp,
    /// How.
    pub method: Method,
    /// Why it is a probe.
    pub cause: Cause,
    /// What the service answered: 2xx or 5xx.
    pub status: StatusCode,
}

// === impl RequestEvent ===

impl RequestEvent {
    /// How many bytes of the request's target are kept.
    pub const MAX_TARGET: usize = 512;

    /// Something that happened to the request behind `facts`.
    pub fn new(facts: &Facts<'_>, generation: u64, kind: RequestEventKind) -> Self {
        let target = match facts.uri.path_and_query() {
            Some(target) => target.as_str().as_bytes(),
            None => facts.path.raw(),
        };
        let end = target.len().min(Self::MAX_TARGET);
        Self {
            at: facts.now.wall(),
            client: facts.client,
            peer: facts.peer.addr(),
            method: facts.method.clone(),
            target: target.get(..end).unwrap_or_default().into(),
            generation,
            kind,
        }
    }
}

impl fmt::Display for RequestEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            self.client.addr(),
            self.method,
            Escaped(&self.target),
            self.kind
        )
    }
}

// === impl What ===

impl fmt::Display for RequestEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed(cause) => write!(f, "allow: {cause}"),
            Self::Denied(denial) => denial.fmt(f),
            Self::Fault(words) => {
                write!(f, "fault while judging: {}", Escaped(words.as_bytes()))
            }
        }
    }
}

// === impl FaultEvent ===

impl FaultEvent {
    /// A panic with these words, over an exchange with `client`.
    pub const fn new(at: SystemTime, client: ClientIp, generation: u64, words: String) -> Self {
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
        write!(f, "{client} fault while learning: {words}")
    }
}

// === impl ReachedEvent ===

impl ProbeHitEvent {
    /// The probe behind `state` was answered with `status`.
    pub fn new(at: SystemTime, state: &RequestState, cause: Cause, status: StatusCode) -> Self {
        Self {
            at,
            client: *state.client(),
            method: state.method().clone(),
            cause,
            status,
        }
    }
}

impl fmt::Display for ProbeHitEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, method, cause) = (self.client.addr(), &self.method, &self.cause);
        let status = self.status.as_u16();
        write!(
            f,
            "{client} {method}: a probe got somewhere: {status} for {cause}"
        )
    }
}
