//! A verdict made visible.

mod ban;
mod diagnosis;
mod policy;
mod request;
mod session;

use std::{fmt, net::IpAddr, time::SystemTime};

use ipnet::IpNet;

pub use ban::{BanChange, BanEvent};
pub use diagnosis::DiagnosisEvent;
pub use policy::PolicyEvent;
pub use request::{FaultEvent, ProbeHitEvent, RequestEvent, RequestEventKind};
pub use session::SessionEvent;

/// Where events go.
///
/// Called on the request path: an implementation neither waits for disk or network nor grows with
/// what clients send.
pub trait Sink: Send + Sync {
    /// Takes note of one event.
    fn record(&self, event: &Event);

    /// Passes on the events that were held back before the second of `now`. Called about once a second;
    /// the default does nothing.
    fn flush(&self, now: SystemTime) {
        let _ = now;
    }
}

/// Something a person may want to know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// About one request.
    Request(RequestEvent),
    /// About one client's ban.
    Ban(BanEvent),
    /// About the policy as a whole.
    Policy(PolicyEvent),
    /// An inspector panicked over what it was to learn of an exchange.
    Fault(FaultEvent),
    /// An inside address speaks for others and is not trusted: most likely the balancer, and until
    /// it is named in `trusted_proxies` all clients count as one and nobody behind it is banned.
    UntrustedProxy(IpAddr),
    /// A probe that the service answered as if it had what was asked for, or stumbled over.
    ProbeHit(ProbeHitEvent),
    /// About one upgraded connection.
    Session(SessionEvent),
    /// Why a socket did not open, or did not stay open.
    Diagnosis(DiagnosisEvent),
    /// The guard is built in wrongly: requests are refused until this is mended.
    Setup(&'static str),
    /// Events that a sink did not pass on, because there were too many at once.
    Suppressed(Suppressed),
}

/// How many events were not passed on, and whose they mostly were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a count, made by sinks")]
pub struct Suppressed {
    /// How many.
    pub events: u64,
    /// The client with the most of them, and how many it had.
    pub most: Option<(IpNet, u64)>,
}

// === impl Event ===

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(event) => event.fmt(f),
            Self::Ban(event) => event.fmt(f),
            Self::Policy(event) => event.fmt(f),
            Self::Fault(event) => event.fmt(f),
            Self::ProbeHit(event) => event.fmt(f),
            Self::Session(event) => event.fmt(f),
            Self::Diagnosis(event) => event.fmt(f),
            Self::UntrustedProxy(peer) => write!(
                f,
                "{peer} names others in forwarding headers and is not trusted, so that all its \
                 clients count as one and none is banned; if it is your balancer, write in \
                 [client]: trusted_proxies = [\"{peer}\"]"
            ),
            Self::Setup(fix) => f.write_str(fix),
            Self::Suppressed(suppressed) => suppressed.fmt(f),
        }
    }
}

// === impl Suppressed ===

impl fmt::Display for Suppressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} more events in that second", self.events)?;
        match self.most {
            Some((client, events)) => write!(f, ", {events} of them by {client}"),
            None => Ok(()),
        }
    }
}
