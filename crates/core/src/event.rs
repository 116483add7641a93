//! A verdict made visible.

use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{Method, StatusCode};
use ipnet::IpNet;

use crate::{Cause, ClientIp, Denial, Escaped, Facts, Offence, Trace};

/// Where events go.
///
/// Called on the request path: an implementation neither waits for disk or network nor grows with
/// what clients send.
pub trait Sink: Send + Sync {
    /// Takes note of one event.
    fn record(&self, event: &Event);
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
    Reached(ReachedEvent),
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
    pub what: What,
}

/// What happened to a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum What {
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
pub struct ReachedEvent {
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

/// What happened to a ban, and whose.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BanEvent {
    /// When, for people.
    pub at: SystemTime,
    /// The client.
    pub client: ClientIp,
    /// The rule, and how long.
    pub offence: Offence,
    /// What happened.
    pub change: BanChange,
}

/// What happened to a ban.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BanChange {
    /// The client is banned from now on.
    Placed,
    /// The client is not banned, for the reason given.
    Withheld(&'static str),
    /// The client is not banned yet: any page could have made it send this, but it asked for so many
    /// such paths by now.
    Suspected {
        /// How many different paths.
        paths: u32,
    },
    /// The client is banned; the table was full, and this ban, the one nearest its end, gave way.
    Evicted(IpNet),
}

/// What happened to the policy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PolicyEvent {
    /// A new policy is in force.
    Replaced {
        /// Its generation.
        generation: u64,
        /// How many rules it holds.
        rules: usize,
    },
    /// A document was refused; the old policy stays in force.
    Kept {
        /// The generation that stays.
        generation: u64,
        /// Every reason, for a person.
        why: Arc<str>,
    },
    /// Somebody has asked that nothing be enforced for a while.
    Truce {
        /// For how long; none where it ends.
        left: Duration,
    },
}

// === impl Event ===

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(event) => event.fmt(f),
            Self::Ban(event) => event.fmt(f),
            Self::Policy(event) => event.fmt(f),
            Self::Fault(event) => event.fmt(f),
            Self::Reached(event) => event.fmt(f),
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

// === impl RequestEvent ===

impl RequestEvent {
    /// How many bytes of the request's target are kept.
    pub const MAX_TARGET: usize = 512;

    /// Something that happened to the request behind `facts`.
    pub fn new(facts: &Facts<'_>, generation: u64, what: What) -> Self {
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
            what,
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
            self.what
        )
    }
}

// === impl What ===

impl fmt::Display for What {
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

impl ReachedEvent {
    /// The probe behind `trace` was answered with `status`.
    pub fn new(at: SystemTime, trace: &Trace, cause: Cause, status: StatusCode) -> Self {
        Self {
            at,
            client: *trace.client(),
            method: trace.method().clone(),
            cause,
            status,
        }
    }
}

impl fmt::Display for ReachedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, method, cause) = (self.client.addr(), &self.method, &self.cause);
        let status = self.status.as_u16();
        write!(
            f,
            "{client} {method}: a probe got somewhere: {status} for {cause}"
        )
    }
}

// === impl BanEvent ===

impl BanEvent {
    /// Something that happened to `client`'s ban.
    pub fn new(at: SystemTime, client: ClientIp, offence: Offence, change: BanChange) -> Self {
        Self {
            at,
            client,
            offence,
            change,
        }
    }
}

impl fmt::Display for BanEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, rule) = (self.client.network(), &self.offence.rule);
        match &self.change {
            BanChange::Withheld(why) => write!(f, "{client} not banned by rule {rule}: {why}"),
            BanChange::Suspected { paths } => {
                write!(
                    f,
                    "{client} suspected by rule {rule} for {paths} different paths"
                )
            }
            placed => {
                let secs = self.offence.ban_for.as_secs();
                write!(f, "{client} banned for {secs} s by rule {rule}")?;
                match placed {
                    BanChange::Evicted(gone) => {
                        write!(f, "; the table is full, {gone} is let go before its time")
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

// === impl PolicyEvent ===

impl fmt::Display for PolicyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced { generation, rules } => {
                write!(f, "policy {generation} in force, {rules} rules")
            }
            Self::Kept { generation, why } => {
                write!(f, "policy {generation} stays in force: {why}")
            }
            Self::Truce { left } if left.is_zero() => f.write_str("rules are enforced again"),
            Self::Truce { left } => {
                write!(
                    f,
                    "NOTHING IS ENFORCED for {} s: rules only observe",
                    left.as_secs()
                )
            }
        }
    }
}
