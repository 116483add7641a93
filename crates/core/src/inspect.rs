//! The inspector trait and the state of a request under inspection.

use std::{fmt, time::Duration};

use http::{Method, StatusCode};

use crate::{
    Attribution, Cause, ClientIp, Denial, DiagnosisEvent, Facts, MessageDenials, MessageFacts,
    MessageKinds, Now, Offense, Quota, RequestEvent, Upgrade, Verdict,
};

/// Judges requests, and optionally responses and WebSocket messages.
///
/// Synchronous and infallible: configuration errors are reported when an inspector is compiled. An
/// inspector keeps no state except its own bounded tables.
///
/// # Examples
///
/// ```
/// use gabion_core::{Denial, Facts, Inspect, RequestState, Verdict};
///
/// /// Denies requests with the header `x-debug`.
/// struct NoDebugging;
///
/// impl Inspect for NoDebugging {
///     fn name(&self) -> &'static str {
///         "debugging"
///     }
///
///     fn inspect(&self, facts: &Facts<'_>, _state: &mut RequestState) -> Verdict {
///         match facts.headers.get("x-debug") {
///             Some(value) => Denial::forbidden("no-debugging", "header x-debug is not allowed")
///                 .with_evidence(value.as_bytes())
///                 .into(),
///             None => Verdict::Pass,
///         }
///     }
/// }
/// # use gabion_core::{ClientRules, Framing, Head, Now, PeerAddr, Scheme};
/// # use http::{HeaderMap, Method, Uri, Version};
/// # use std::time::{Duration, UNIX_EPOCH};
/// # fn judge(headers: &HeaderMap) -> Verdict {
/// #     let uri = Uri::from_static("/");
/// #     let head = Head {
/// #         method: &Method::GET,
/// #         uri: &uri,
/// #         version: Version::HTTP_11,
/// #         headers,
/// #         protocol: None,
/// #         framing: Framing::AsShown,
/// #         scheme: Scheme::Plain,
/// #     };
/// #     let peer = PeerAddr::new(([203, 0, 113, 9], 4000).into());
/// #     let now = Now::new(Duration::ZERO, UNIX_EPOCH);
/// #     let facts = Facts::resolve(head, peer, &ClientRules::default(), now);
/// #     NoDebugging.inspect(&facts, &mut RequestState::new(&facts))
/// # }
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(judge(&headers), Verdict::Pass);
/// headers.insert("x-debug", "1".parse().unwrap());
/// assert_eq!(
///     judge(&headers).to_string(),
///     "denied (403): rule no-debugging: header x-debug is not allowed: `1`"
/// );
/// ```
pub trait Inspect: Send + Sync {
    /// The inspector's name in an [`Explanation`].
    fn name(&self) -> &'static str;

    /// Judges one request.
    ///
    /// A denial in [`crate::Mode::Observe`] may be returned (the enforcing service lets the request
    /// pass) or, to continue with further checks, recorded with [`RequestState::observe`].
    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict;

    /// Judges an open session again, after its client was banned or the policy was replaced.
    ///
    /// `facts` contain the parts of the handshake that are kept: the client, as resolved then, and
    /// the path. Headers are not kept, so their absence has no meaning; and nothing is counted. An
    /// inspector for which this is not enough returns [`Verdict::Pass`], which is the default.
    fn recheck(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        let _ = (facts, state);
        Verdict::Pass
    }

    /// The kinds of messages passed to [`Inspect::message`]. Default: none. Each kind costs
    /// decoding time; unless the policy permits inflating, WebSocket compression is also declined.
    fn message_kinds(&self) -> MessageKinds {
        MessageKinds::None
    }

    /// Judges a message that a client sent in an open session, if the session's limits select its
    /// kind ([`SessionLimits::message_kinds`](crate::SessionLimits::message_kinds)).
    ///
    /// Called once per message, after its last byte arrived and before it is forwarded.
    fn message(&self, message: &MessageFacts<'_>, denials: &mut MessageDenials) {
        let _ = (message, denials);
    }

    /// Processes the outcome of an exchange, denied or not. May return an offense.
    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<Offense> {
        let _ = (state, outcome);
        None
    }

    /// Diagnoses a WebSocket failure from the service's response. The diagnosis is recorded as an
    /// event and changes nothing else.
    fn diagnose(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<DiagnosisEvent> {
        let _ = (state, outcome);
        None
    }

    /// Returns the reason why the request was a probe, if its response shows that the probe
    /// succeeded. The result becomes a [`ProbeHitEvent`](crate::ProbeHitEvent): the service exposes
    /// a file that no client should find.
    fn probe_hit(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<Cause> {
        let _ = (state, outcome);
        None
    }

    /// Judges like [`Inspect::inspect`] and records each step. An inspector composed of others
    /// forwards to theirs, so that the explanation comes from the same code as the judgment.
    fn explain(
        &self,
        facts: &Facts<'_>,
        state: &mut RequestState,
        steps: &mut Explanation,
    ) -> Verdict {
        let verdict = self.inspect(facts, state);
        steps.note(self.name(), &verdict);
        verdict
    }
}

/// The state of a request between its judgment and its response. Bounded in size.
#[derive(Clone, Debug)]
pub struct RequestState {
    client: ClientIp,
    now: Now,
    method: Method,
    path_hash: u64,
    upgrade: Upgrade,
    socket: Option<Box<[u8]>>,
    attribution: Attribution,
    signals: u32,
    probe: Option<Box<Cause>>,
    target: Option<Box<[u8]>>,
    observed: Vec<Denial>,
    quotas: Vec<Quota>,
    tickets: [Option<Ticket>; Self::MAX_TICKETS],
    is_counted: bool,
}

/// A note from an inspector to itself, kept until [`Inspect::on_response`]: one of its rules, and
/// the key that the rule counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "two numbers, whose meaning is the inspector's"
)]
pub struct Ticket {
    /// The inspector's name.
    pub of: &'static str,
    /// The index of the rule, in the inspector's own numbering.
    pub rule: u32,
    /// The hash of the key, by the inspector's own hash function.
    pub key: u64,
}

/// The outcome of an exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Outcome<'d> {
    /// The status of the response, from the service or from a denial.
    pub status: StatusCode,
    /// The denial, if the response came from a denial.
    pub denial: Option<&'d Denial>,
    /// The length of the response body, if known in advance.
    pub length: Option<u64>,
    /// The time from the judgment to the head of the response.
    pub elapsed: Duration,
}

/// The steps of one judgment, in order. Filled by [`Inspect::explain`].
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    steps: Vec<ExplanationStep>,
}

/// The verdict of one inspector.
#[derive(Clone, Debug)]
pub struct ExplanationStep {
    /// The inspector's name.
    pub inspector: &'static str,
    /// The verdict.
    pub verdict: Verdict,
}

// === impl RequestState ===

impl RequestState {
    /// The maximum number of observed denials kept per request. Further ones are dropped.
    pub const MAX_OBSERVED: usize = 8;

    /// The maximum number of quotas reported to a client.
    pub const MAX_QUOTAS: usize = 4;

    /// The maximum number of notes kept.
    pub const MAX_TICKETS: usize = 4;

    /// Keeps the parts of `facts` that are needed after the response.
    pub fn new(facts: &Facts<'_>) -> Self {
        Self {
            client: facts.client,
            now: facts.now,
            method: facts.method.clone(),
            path_hash: facts.path.hash(),
            upgrade: facts.upgrade,
            socket: (facts.upgrade == Upgrade::WebSocket).then(|| facts.path.raw().into()),
            attribution: facts.attribution(),
            signals: 0,
            probe: None,
            target: None,
            observed: Vec::new(),
            quotas: Vec::new(),
            tickets: [None; Self::MAX_TICKETS],
            is_counted: false,
        }
    }

    /// The method.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// A hash of the path: stable for the same path, not secret.
    pub const fn path_hash(&self) -> u64 {
        self.path_hash
    }

    /// The protocol upgrade that the request offered.
    pub const fn upgrade(&self) -> Upgrade {
        self.upgrade
    }

    /// The path as sent, if the request offered a WebSocket upgrade.
    pub fn socket(&self) -> Option<&[u8]> {
        self.socket.as_deref()
    }

    /// The degree to which the request can be held against the client.
    pub const fn attribution(&self) -> Attribution {
        self.attribution
    }

    /// Returns `true` if an outer layer counts this exchange toward the standing of its client, so
    /// that an inner one must not.
    pub const fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// Marks the exchange as counted by an outer layer.
    pub const fn set_counted(&mut self, is_counted: bool) {
        self.is_counted = is_counted;
    }

    /// The bits set by a scan inspector.
    pub const fn signals(&self) -> u32 {
        self.signals
    }

    /// Sets bits for a scan inspector to use in [`Inspect::on_response`].
    pub const fn set_signals(&mut self, signals: u32) {
        self.signals = signals;
    }

    /// Marks the request as a probe: a request that only a vulnerability scanner makes.
    pub fn mark_probe(&mut self, cause: Cause) {
        self.probe = Some(Box::new(cause));
    }

    /// The reason why the request is a probe.
    pub fn probe(&self) -> Option<&Cause> {
        self.probe.as_deref()
    }

    /// Keeps the request's target for events about its response, if the request is a probe or an
    /// observed denial was recorded. Other requests are not copied.
    pub fn keep_target(&mut self, facts: &Facts<'_>) {
        if self.probe.is_some() || !self.observed.is_empty() {
            self.target = Some(RequestEvent::bounded(facts.target()));
        }
    }

    /// The request's target, at most [`RequestEvent::MAX_TARGET`] bytes, if it was kept.
    pub fn target(&self) -> Option<&[u8]> {
        self.target.as_deref()
    }

    /// Reports the remaining quota of a limit to the client, in response headers. Beyond
    /// [`Self::MAX_QUOTAS`] it is dropped.
    pub fn show_quota(&mut self, quota: Quota) {
        if self.quotas.len() < Self::MAX_QUOTAS {
            self.quotas.push(quota);
        }
    }

    /// The quotas to report.
    pub fn quotas(&self) -> impl Iterator<Item = &Quota> {
        self.quotas.iter()
    }

    /// Keeps a note. Returns `false` if there is no room for it.
    pub fn leave(&mut self, ticket: Ticket) -> bool {
        let free = self.tickets.iter_mut().find(|slot| slot.is_none());
        free.map(|slot| *slot = Some(ticket)).is_some()
    }

    /// The notes that the inspector named `of` left.
    pub fn tickets(&self, of: &'static str) -> impl Iterator<Item = Ticket> {
        let all = self.tickets.iter().flatten().copied();
        all.filter(move |ticket| ticket.of == of)
    }

    /// The client.
    pub fn client(&self) -> &ClientIp {
        &self.client
    }

    /// The time of judgment.
    pub const fn now(&self) -> Now {
        self.now
    }

    /// Records a denial in observe mode.
    pub fn observe(&mut self, denial: Denial) {
        if self.observed.len() < Self::MAX_OBSERVED {
            self.observed.push(denial);
        }
    }

    /// The recorded denials in observe mode.
    pub fn observed(&self) -> &[Denial] {
        &self.observed
    }
}

// === impl Outcome ===

impl<'d> Outcome<'d> {
    /// Creates the outcome of an exchange that ended with `status`.
    pub const fn new(status: StatusCode, denial: Option<&'d Denial>, elapsed: Duration) -> Self {
        Self {
            status,
            denial,
            length: None,
            elapsed,
        }
    }

    /// Sets the length of the response body.
    pub fn with_length(self, length: Option<u64>) -> Self {
        Self { length, ..self }
    }
}

// === impl Explanation ===

impl Explanation {
    /// Records the verdict of `inspector`.
    pub fn note(&mut self, inspector: &'static str, verdict: &Verdict) {
        self.steps.push(ExplanationStep {
            inspector,
            verdict: verdict.clone(),
        });
    }

    /// The steps so far, in order.
    pub fn steps(&self) -> &[ExplanationStep] {
        &self.steps
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{:<8} {}", step.inspector, step.verdict)?;
        }
        Ok(())
    }
}
