//! A compiled policy, and the source of the current one.

use std::{borrow::Cow, fmt, sync::Arc};

use crate::{
    Cause, ClientIp, ClientRules, Inspect, InspectMessage, Needs, Now, PathViews, RouteLimits,
    Verdict,
};

/// One compiled policy. Taken once per request and kept to its end, so that a request is never
/// judged by parts of two policies.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use gabion_core::{
///     ClientIp, ClientRules, Denial, Facts, Inspect, Now, PathViews, PolicySource, RequestState,
///     Snapshot, Verdict,
/// };
///
/// struct NoAdmin;
///
/// impl Inspect for NoAdmin {
///     fn name(&self) -> &'static str {
///         "admin"
///     }
///
///     fn inspect(&self, facts: &Facts<'_>, _state: &mut RequestState) -> Verdict {
///         self.judge(&facts.path)
///     }
///
///     fn recheck(&self, _client: &ClientIp, path: &PathViews<'_>, _now: Now) -> Verdict {
///         self.judge(path)
///     }
/// }
///
/// impl NoAdmin {
///     fn judge(&self, path: &PathViews<'_>) -> Verdict {
///         match path.raw() {
///             b"/admin" => Denial::forbidden("no-admin", "path is internal").into(),
///             _ => Verdict::Pass,
///         }
///     }
/// }
/// # use gabion_core::PeerAddr;
/// # use std::time::{Duration, UNIX_EPOCH};
/// # let peer = PeerAddr::new(([203, 0, 113, 9], 4000).into());
/// # let client = ClientRules::default().resolve(peer, &http::HeaderMap::new());
/// # let now = Now::new(Duration::ZERO, UNIX_EPOCH);
///
/// let policy = Snapshot::new(ClientRules::default(), Arc::new(NoAdmin)).with_generation(7);
/// let source = Arc::new(policy);
/// let current = source.current();
/// assert_eq!(current.generation, 7);
/// assert_eq!(current.recheck(&client, "/chat", now), None);
/// assert_eq!(
///     current.recheck(&client, "/admin", now).unwrap().to_string(),
///     "rule no-admin: path is internal"
/// );
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Snapshot {
    /// The rules that resolve the client.
    pub client: ClientRules,
    /// The inspectors.
    pub chain: Arc<dyn Inspect>,
    /// The calls and data that the inspectors use.
    pub needs: Needs,
    /// The inspector of WebSocket messages.
    pub messages: Option<Arc<dyn InspectMessage>>,
    /// The handling of requests that cannot be judged.
    pub on_fault: OnFault,
    /// The form of the path that the service receives.
    pub forward: Forward,
    /// The limits of sessions.
    pub routes: RouteLimits,
    /// The number of policies that were in force before this one.
    pub generation: u64,
}

/// The handling of a request when an inspector panics or the peer is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a request passes or does not")]
pub enum OnFault {
    /// The request is answered with 503: no request passes without judgment.
    #[default]
    Refuse,
    /// The request passes: availability comes before protection.
    Pass,
}

/// The form of the path that the service receives: one of the two, never a mix. The query is always
/// as sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "one of the two, never a mix")]
pub enum Forward {
    /// The path as sent.
    #[default]
    AsSent,
    /// [`PathViews::canonical`](crate::PathViews::canonical).
    Canonical,
}

/// A source of the current policy.
///
/// Called once per request on the request path: an implementation neither blocks nor allocates. A
/// plain `Arc<Snapshot>` is a source of a policy that never changes.
///
/// A request that waits for its response holds its policy weakly. A source that replaces its policy keeps the
/// previous ones for a time, or responses to requests that they judged are not inspected.
pub trait PolicySource: Send + Sync {
    /// The policy in force now.
    fn current(&self) -> Arc<Snapshot>;

    /// The policy in force now, lent by a source that never changes it. To count a reference instead
    /// is to write to memory that all threads share.
    fn lend(&self) -> Cow<'_, Arc<Snapshot>> {
        Cow::Owned(self.current())
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// Creates a policy of one inspector.
    pub fn new(client: ClientRules, chain: Arc<dyn Inspect>) -> Self {
        Self {
            client,
            needs: chain.needs(),
            chain,
            messages: None,
            on_fault: OnFault::default(),
            forward: Forward::default(),
            routes: RouteLimits::default(),
            generation: 0,
        }
    }

    /// Judges WebSocket messages with `messages`.
    pub fn with_messages(self, messages: Arc<dyn InspectMessage>) -> Self {
        let messages = Some(messages);
        Self { messages, ..self }
    }

    /// Sets the handling of requests that cannot be judged. Default: [`OnFault::Refuse`].
    pub fn with_on_fault(self, on_fault: OnFault) -> Self {
        Self { on_fault, ..self }
    }

    /// Sets the form of the path that the service receives. Default: [`Forward::AsSent`].
    pub fn with_forward(self, forward: Forward) -> Self {
        Self { forward, ..self }
    }

    /// Sets the limits of sessions.
    pub fn with_route_limits(self, routes: RouteLimits) -> Self {
        Self { routes, ..self }
    }

    /// Returns the cause if this policy denies a `client` with an open session on `path`, which it
    /// or an earlier policy let in ([`Inspect::recheck`]). An allowed client is not denied, and a
    /// rule in observe mode denies no client.
    pub fn recheck(&self, client: &ClientIp, path: &str, now: Now) -> Option<Cause> {
        if !self.needs.contains(Needs::RECHECKS) {
            return None;
        }
        let path = PathViews::new(path.as_bytes());
        match self.chain.recheck(client, &path, now) {
            Verdict::Deny(denial) if !denial.is_observed() => Some(denial.cause),
            _ => None,
        }
    }

    /// Sets the number of policies that were in force before this one.
    pub fn with_generation(self, generation: u64) -> Self {
        Self { generation, ..self }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("client", &self.client)
            .field("chain", &self.chain.name())
            .field("needs", &self.needs)
            .field("messages", &self.messages.is_some())
            .field("on_fault", &self.on_fault)
            .field("forward", &self.forward)
            .field("routes", &self.routes)
            .field("generation", &self.generation)
            .finish()
    }
}

// === impl PolicySource ===

/// A policy that never changes.
impl PolicySource for Arc<Snapshot> {
    fn current(&self) -> Arc<Snapshot> {
        Self::clone(self)
    }

    fn lend(&self) -> Cow<'_, Self> {
        Cow::Borrowed(self)
    }
}
