//! One whole policy, held for the length of a request.

use std::{fmt, sync::Arc};

use http::{HeaderMap, Method, Uri, Version};

use crate::{
    Cause, ClientIp, ClientRules, Facts, Framing, Head, Inspect, Mode, Now, PeerAddr, RequestState,
    RouteLimits, Scheme, Verdict,
};

/// What judges a request: taken once, held to the end, so that one request is judged by one whole
/// policy.
#[derive(Clone)]
#[non_exhaustive]
pub struct Snapshot {
    /// Who speaks for a client.
    pub client: ClientRules,
    /// Who judges.
    pub chain: Arc<dyn Inspect>,
    /// What becomes of a request when judging fails.
    pub on_fault: OnFault,
    /// How the path of a request that passes is spelled for the service behind.
    pub forward: Forward,
    /// What sessions are held to.
    pub routes: RouteLimits,
    /// Counts the policies that were in force before this one.
    pub generation: u64,
}

/// What becomes of a request when an inspector panics or the peer is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a request passes or does not")]
pub enum OnFault {
    /// Answered 503: nothing passes unjudged.
    #[default]
    Refuse,
    /// Let through: the service matters more than the wall.
    Pass,
}

/// Which spelling of a path the service behind is given: one of the two, never a mix. The query is
/// always as sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "one of the two, never a mix")]
pub enum Forward {
    /// The one that was sent.
    #[default]
    AsSent,
    /// [`PathViews::canonical`](crate::PathViews::canonical).
    Canonical,
}

/// Gives the policy in force.
///
/// Called once per request on the request path: an implementation neither blocks nor allocates.
pub trait PolicySource: Send + Sync {
    /// The policy in force now.
    fn current(&self) -> Arc<Snapshot>;
}

// === impl Snapshot ===

impl Snapshot {
    /// A policy of one inspector.
    pub fn new(client: ClientRules, chain: Arc<dyn Inspect>) -> Self {
        Self {
            client,
            chain,
            on_fault: OnFault::default(),
            forward: Forward::default(),
            routes: RouteLimits::default(),
            generation: 0,
        }
    }

    /// Sets what becomes of a request when judging fails.
    pub fn with_on_fault(self, on_fault: OnFault) -> Self {
        Self { on_fault, ..self }
    }

    /// Sets how the path of a request that passes is spelled for the service behind.
    pub fn with_forward(self, forward: Forward) -> Self {
        Self { forward, ..self }
    }

    /// Sets what sessions are held to.
    pub fn with_route_limits(self, routes: RouteLimits) -> Self {
        Self { routes, ..self }
    }

    /// Why this policy refuses a `client` whom it, or another, has let in on `path`, if it does
    /// ([`Inspect::recheck`]): one that is allowed is not refused, and a rule that only observes
    /// refuses nobody.
    pub fn recheck(&self, client: ClientIp, path: &str, now: Now) -> Option<Cause> {
        // A path that was judged once can be read again.
        let uri = Uri::try_from(path).ok()?;
        let headers = HeaderMap::new();
        let head = Head {
            method: &Method::GET,
            uri: &uri,
            version: Version::HTTP_11,
            headers: &headers,
            protocol: None,
            framing: Framing::default(),
            scheme: Scheme::default(),
        };
        let peer = PeerAddr::new((client.addr(), 0).into());
        let mut facts = Facts::resolve(head, peer, &self.client, now);
        facts.client = client;
        match self.chain.recheck(&facts, &mut RequestState::new(&facts)) {
            Verdict::Deny(denial) if denial.mode == Mode::Enforce => Some(denial.cause),
            _ => None,
        }
    }

    /// Sets the count of policies that were in force before this one.
    pub fn with_generation(self, generation: u64) -> Self {
        Self { generation, ..self }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("client", &self.client)
            .field("chain", &self.chain.name())
            .field("on_fault", &self.on_fault)
            .field("forward", &self.forward)
            .field("routes", &self.routes)
            .field("generation", &self.generation)
            .finish()
    }
}

// === impl Source ===

/// A policy that never changes.
impl PolicySource for Arc<Snapshot> {
    fn current(&self) -> Arc<Snapshot> {
        Self::clone(self)
    }
}
