//! Who judges facts.

use std::{fmt, time::Duration};

use http::{Method, StatusCode};

use crate::{
    Attribution, Cause, ClientIp, Denial, DiagnosisEvent, Facts, MessageDenials, MessageFacts,
    MessageKinds, Now, Offense, Quota, Upgrade, Verdict,
};

/// Judges the head of a request. Synchronous, pure but for its own bounded state, infallible: what
/// can fail has failed when it was compiled.
pub trait Inspect: Send + Sync {
    /// What this inspector is called in an explanation.
    fn name(&self) -> &'static str;

    /// Judges one request.
    ///
    /// A refusal in [`crate::Mode::Observe`] may be returned (whoever enforces lets it pass) or,
    /// when there is more to look at, noted with [`RequestState::observe`].
    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict;

    /// Judges a session anew, when its client is banned or another policy is in force.
    ///
    /// `facts` hold what is kept of the handshake: its client, as it was resolved then, and its path.
    /// Headers are not kept, so nothing follows from there being none; and nothing is counted. An
    /// inspector that can say no more of these passes.
    fn recheck(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        let _ = (facts, state);
        Verdict::Pass
    }

    /// Which messages [`Inspect::message`] is to be asked about: none, unless an inspector says
    /// otherwise. What is read costs time, and compression where the policy does not inflate it.
    fn message_kinds(&self) -> MessageKinds {
        MessageKinds::None
    }

    /// Judges a message that a client sent over an open socket, where the terms of its session have
    /// messages read ([`SessionLimits::message_kinds`](crate::SessionLimits::message_kinds)).
    ///
    /// Asked for each message, between its last byte and its way to the service.
    fn message(&self, message: &MessageFacts<'_>, denials: &mut MessageDenials) {
        let _ = (message, denials);
    }

    /// Learns how the exchange ended, denied or not; may find an offense in it.
    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<Offense> {
        let _ = (state, outcome);
        None
    }

    /// What is wrong with a WebSocket, where the service's answer shows it: told, and no more.
    fn diagnose(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<DiagnosisEvent> {
        let _ = (state, outcome);
        None
    }

    /// Why the request was a probe, where its answer says that it got somewhere: to be told of,
    /// since the service has what nobody should find.
    fn probe_hit(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<Cause> {
        let _ = (state, outcome);
        None
    }

    /// Judges like [`Inspect::inspect`] and notes each step. An inspector made of others
    /// forwards to theirs, so that the explanation is the judgment itself.
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

/// What is remembered of a request while the service answers it. Of bounded size.
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
    observed: Vec<Denial>,
    quotas: Vec<Quota>,
    tickets: [Option<Ticket>; Self::MAX_TICKETS],
    is_counted: bool,
}

/// A note that an inspector leaves for itself until it learns how the exchange ended: which of its
/// rules, and under which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "two numbers, whose meaning is the inspector's"
)]
pub struct Ticket {
    /// The inspector's name.
    pub of: &'static str,
    /// The rule, as its inspector counts them.
    pub rule: u32,
    /// The key, as its inspector hashes them.
    pub key: u64,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Outcome<'d> {
    /// The status of the answer, the service's or ours.
    pub status: StatusCode,
    /// The denial that was answered, where the answer was ours.
    pub denial: Option<&'d Denial>,
    /// How long the answer's body is, where that is known beforehand.
    pub length: Option<u64>,
    /// From the judgment to the head of the answer.
    pub elapsed: Duration,
}

/// The steps of one judgment, in order.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    steps: Vec<ExplanationStep>,
}

/// What one inspector said.
#[derive(Clone, Debug)]
pub struct ExplanationStep {
    /// Its name.
    pub inspector: &'static str,
    /// Its verdict.
    pub verdict: Verdict,
}

// === impl Trace ===

impl RequestState {
    /// How many observed denials of one request are kept. One that is beyond is dropped: the
    /// first ones tell the story.
    pub const MAX_OBSERVED: usize = 8;

    /// How many limits are shown to a client.
    pub const MAX_QUOTAS: usize = 4;

    /// How many notes are kept.
    pub const MAX_TICKETS: usize = 4;

    /// Remembers what `facts` says.
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

    /// A hash of the path: the same for the same path, and no secret.
    pub const fn path_hash(&self) -> u64 {
        self.path_hash
    }

    /// Whether the request wanted to leave HTTP.
    pub const fn upgrade(&self) -> Upgrade {
        self.upgrade
    }

    /// The path as sent, where the request asked for a WebSocket.
    pub fn socket(&self) -> Option<&[u8]> {
        self.socket.as_deref()
    }

    /// Whether the client can be held to this request.
    pub const fn attribution(&self) -> Attribution {
        self.attribution
    }

    /// Returns `true` if an outer layer counts this exchange toward the standing of its client, so that an
    /// inner one must not.
    pub const fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// Marks the exchange as counted by an outer layer.
    pub const fn set_counted(&mut self, is_counted: bool) {
        self.is_counted = is_counted;
    }

    /// The bits that a scan left for itself.
    pub const fn signals(&self) -> u32 {
        self.signals
    }

    /// Leaves bits for a scan to find when it learns.
    pub const fn set_signals(&mut self, signals: u32) {
        self.signals = signals;
    }

    /// Notes that the request asks for what only a probe asks for.
    pub fn mark_probe(&mut self, cause: Cause) {
        self.probe = Some(Box::new(cause));
    }

    /// Why the request is a probe.
    pub fn probe(&self) -> Option<&Cause> {
        self.probe.as_deref()
    }

    /// Shows the client what is left of a limit, in the headers of the answer. One that is beyond
    /// [`Self::MAX_QUOTAS`] is not shown.
    pub fn show_quota(&mut self, quota: Quota) {
        if self.quotas.len() < Self::MAX_QUOTAS {
            self.quotas.push(quota);
        }
    }

    /// What is left of limits.
    pub fn quotas(&self) -> impl Iterator<Item = &Quota> {
        self.quotas.iter()
    }

    /// Leaves a note; says whether there was room.
    pub fn leave(&mut self, ticket: Ticket) -> bool {
        let free = self.tickets.iter_mut().find(|slot| slot.is_none());
        free.map(|slot| *slot = Some(ticket)).is_some()
    }

    /// The notes that the inspector called `of` left.
    pub fn tickets(&self, of: &'static str) -> impl Iterator<Item = Ticket> {
        let all = self.tickets.iter().flatten().copied();
        all.filter(move |ticket| ticket.of == of)
    }

    /// Whom we hold responsible.
    pub fn client(&self) -> &ClientIp {
        &self.client
    }

    /// When the request was judged.
    pub const fn now(&self) -> Now {
        self.now
    }

    /// Notes a denial that does not act.
    pub fn observe(&mut self, denial: Denial) {
        if self.observed.len() < Self::MAX_OBSERVED {
            self.observed.push(denial);
        }
    }

    /// The denials that did not act.
    pub fn observed(&self) -> &[Denial] {
        &self.observed
    }
}

// === impl Outcome ===

impl<'d> Outcome<'d> {
    /// An exchange that ended with `status`.
    pub const fn new(status: StatusCode, denial: Option<&'d Denial>, elapsed: Duration) -> Self {
        Self {
            status,
            denial,
            length: None,
            elapsed,
        }
    }

    /// Sets how long the answer's body is.
    pub fn with_length(self, length: Option<u64>) -> Self {
        Self { length, ..self }
    }
}

// === impl Explanation ===

impl Explanation {
    /// Notes what `inspector` said.
    pub fn note(&mut self, inspector: &'static str, verdict: &Verdict) {
        self.steps.push(ExplanationStep {
            inspector,
            verdict: verdict.clone(),
        });
    }

    /// What was said so far, in order.
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
