//! Events: the record of verdicts, bans, sessions and policy changes.

mod audit;
mod ban;
mod claim;
mod class;
mod connection;
mod diagnosis;
mod log;
mod policy;
mod proxy;
mod request;
mod session;
mod store;
mod unparsable;
mod upstream;

use std::{fmt, net::IpAddr, time::SystemTime};

use ipnet::IpNet;

pub use audit::{AuditAction, AuditEvent};
pub use ban::{BanChange, BanEvent};
pub use claim::ClaimRemovedEvent;
pub use class::EventClass;
pub use connection::{ConnectionLimit, ConnectionRefusedEvent};
pub use diagnosis::DiagnosisEvent;
pub use log::{LogChange, LogEvent};
pub use policy::PolicyEvent;
pub use proxy::ProxyFailureEvent;
pub use request::{FaultEvent, ProbeHitEvent, RequestEvent, RequestEventKind};
pub use session::SessionEvent;
pub use store::{StoreChange, StoreEvent, StorePart};
pub use unparsable::{UnparsableEvent, UnparsablePart};
pub use upstream::{UpstreamEvent, UpstreamState};

/// A destination for events.
///
/// Called on the request path: an implementation does not wait for disk or network, and its memory
/// does not grow with the requests of clients.
///
/// # Examples
///
/// A sink that counts bans:
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use gabion_core::{BanChange, BanEvent, Event, Sink};
///
/// #[derive(Default)]
/// struct BanCounter(AtomicU64);
///
/// impl Sink for BanCounter {
///     fn record(&self, event: &Event) {
///         if let Event::Ban(event) = event
///             && event.change == BanChange::Placed
///         {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// # use gabion_core::{ClientRules, Offense, PeerAddr, RuleId};
/// # use std::time::{Duration, UNIX_EPOCH};
/// # let peer = PeerAddr::new(([203, 0, 113, 9], 4000).into());
/// # let client = ClientRules::default().resolve(peer, &http::HeaderMap::new());
/// # let offense = Offense::certain(RuleId::builtin("dotfiles"), Duration::from_secs(600));
/// # let ban = |change| Event::Ban(BanEvent::new(UNIX_EPOCH, client, offense.clone(), change));
///
/// let sink = BanCounter::default();
/// sink.record(&ban(BanChange::Observed));
/// assert_eq!(sink.0.load(Ordering::Relaxed), 0);
/// sink.record(&ban(BanChange::Placed));
/// assert_eq!(sink.0.load(Ordering::Relaxed), 1);
/// ```
pub trait Sink: Send + Sync {
    /// Records one event.
    fn record(&self, event: &Event);

    /// Passes on the events that were held back before the second of `now`. Called about once a
    /// second; the default does nothing.
    fn flush(&self, now: SystemTime) {
        let _ = now;
    }
}

/// An event for operators. Its `Display` form is one log line of bounded length: every value from a
/// client is cut and escaped in it, and values of the query are replaced by `…` ([`Redacted`](crate::Redacted)).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A denied, allowed or failed request.
    Request(RequestEvent),
    /// A change of one client's ban.
    Ban(BanEvent),
    /// A change by an operator.
    Audit(AuditEvent),
    /// A change of the policy as a whole.
    Policy(PolicyEvent),
    /// A panic in an inspector that processed a response or a message.
    Fault(FaultEvent),
    /// A private peer that is not a trusted proxy sends forwarding headers. Most likely it is a
    /// load balancer: until it is listed in `trusted_proxies`, all its clients count as one and
    /// none of them can be banned.
    UntrustedProxy(IpAddr),
    /// A probe that the server answered with 2xx or 5xx, as if it had the requested file.
    ProbeHit(ProbeHitEvent),
    /// A session that was closed, or would have been.
    Session(SessionEvent),
    /// The reason why a WebSocket did not open or did not stay open.
    Diagnosis(DiagnosisEvent),
    /// A header that only a trusted proxy may write, removed from a request for the first time.
    ClaimRemoved(ClaimRemovedEvent),
    /// A connection that the HTTP parser ended, because the next bytes are not a request.
    Unparsable(UnparsableEvent),
    /// A connection that an accept loop closed unread, because too many are open.
    ConnectionRefused(ConnectionRefusedEvent),
    /// A request that a reverse proxy could not forward.
    ProxyFailure(ProxyFailureEvent),
    /// A change of the state of the store, or of the exchange with other instances.
    Store(StoreEvent),
    /// A change of the state of a server behind a reverse proxy.
    Upstream(UpstreamEvent),
    /// A change of the state of a log file.
    Log(LogEvent),
    /// A setup error, with its fix: requests are refused until it is corrected.
    Setup(&'static str),
    /// Events that a sink dropped because of its rate limit.
    Suppressed(Suppressed),
}

/// The number of events that a sink dropped in one second, and the client with the most of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a count, made by sinks")]
pub struct Suppressed {
    /// The number of dropped events.
    pub events: u64,
    /// The client with the most dropped events, and their number.
    pub most: Option<(IpNet, u64)>,
}

// === impl Event ===

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(event) => event.fmt(f),
            Self::Ban(event) => event.fmt(f),
            Self::Audit(event) => event.fmt(f),
            Self::Policy(event) => event.fmt(f),
            Self::Fault(event) => event.fmt(f),
            Self::ProbeHit(event) => event.fmt(f),
            Self::Session(event) => event.fmt(f),
            Self::Diagnosis(event) => event.fmt(f),
            Self::ClaimRemoved(event) => event.fmt(f),
            Self::Unparsable(event) => event.fmt(f),
            Self::ConnectionRefused(event) => event.fmt(f),
            Self::ProxyFailure(event) => event.fmt(f),
            Self::Store(event) => event.fmt(f),
            Self::Upstream(event) => event.fmt(f),
            Self::Log(event) => event.fmt(f),
            Self::UntrustedProxy(peer) => write!(
                f,
                "{peer} sends forwarding headers but is not a trusted proxy: all its clients count \
                 as one, and none can be banned; if it is your load balancer, set in [client]: \
                 trusted_proxies = [\"{peer}\"]"
            ),
            Self::Setup(fix) => f.write_str(fix),
            Self::Suppressed(suppressed) => suppressed.fmt(f),
        }
    }
}

// === impl Suppressed ===

impl fmt::Display for Suppressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log limit: {} events not shown", self.events)?;
        match self.most {
            Some((client, events)) => write!(f, ", {events} of them from {client}"),
            None => Ok(()),
        }
    }
}

/// The longest prefix of `text` that has at most `max` bytes.
fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}
