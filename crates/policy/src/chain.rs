//! The order in which a policy's inspectors judge a request.
//!
//! 1. `protocol`, then `quirks`: a head that two servers would parse differently is refused, for
//!    every client; so is one that the configured server parses differently from most. If a ban or
//!    a deny rule refuses the same request, that denial is returned instead, because it shows the
//!    intent of the request. An allowed client still gets the protocol denial, because no rule
//!    bans an allowed client.
//! 2. `allow`: an allowed client or path passes without further judgment.
//! 3. `ban`, then `hosts`: banned clients, and requests for hosts that are not served, are refused.
//! 4. The user's own rules, in the order in which they were added.
//! 5. `deny`, then `handshake`, which decides if a page may open a WebSocket.
//! 6. Limits, then scans. Cheap and certain inspectors run before expensive and probable ones.
//!
//! A denial in observe mode is recorded, and judgment continues, so that it never hides an enforced
//! one.

use std::{fmt, sync::Arc};

use gabion_core::{
    ClientIp, ControlKind, Denial, Explanation, Facts, Findings, Inspect, InspectMessage,
    MessageDenials, MessageFacts, MessageKinds, Mode, Needs, Now, Outcome, PathViews, RequestState,
    Verdict,
};
use gabion_inspect::{
    Allow, Ban, Deny, Handshake, HostAllowlist, Limit, Messages, PlainHttpHint, ProtocolRules,
    Scan, Sequence, ServerQuirks,
};
use http::header::CONNECTION;

use crate::options::CustomRules;

/// A compiled policy: all inspectors of one [`Document`](crate::Document), in order.
///
/// A chain is immutable. [`PolicyHandle`](crate::PolicyHandle) compiles one for each document and
/// stores it in a [`Snapshot`](gabion_core::Snapshot), whose `chain` field is this type as an
/// [`Inspect`].
pub struct Chain {
    /// `protocol` and `quirks`.
    head: Sequence,
    /// The inspectors of a well-formed request.
    rest: Sequence,
    allow: Arc<Allow>,
    ban: Arc<Ban>,
    deny: Arc<Deny>,
    plain_http_hint: PlainHttpHint,
}

/// The inspectors of a policy, compiled from its sections.
pub(crate) struct Inspectors {
    pub(crate) protocol: ProtocolRules,
    pub(crate) quirks: ServerQuirks,
    pub(crate) allow: Arc<Allow>,
    pub(crate) ban: Ban,
    pub(crate) hosts: Arc<HostAllowlist>,
    pub(crate) custom: CustomRules,
    /// The mode of the user's own rules.
    pub(crate) mode: Mode,
    pub(crate) deny: Deny,
    pub(crate) handshake: Handshake,
    pub(crate) limit: Limit,
    pub(crate) scan: Option<Scan>,
    pub(crate) plain_http_hint: PlainHttpHint,
}

/// The message inspectors of a policy: the user's own, then the `[[message]]` rules.
pub(crate) struct MessageChain {
    pub(crate) allow: Arc<Allow>,
    pub(crate) custom: CustomRules,
    /// The mode of the user's own rules.
    pub(crate) mode: Mode,
    pub(crate) messages: Messages,
}

// === impl Chain ===

impl Chain {
    pub(crate) fn new(inspectors: Inspectors) -> Self {
        let enforced = |sequence: &mut Sequence, inspector: Arc<dyn Inspect>| {
            sequence.add(inspector, Mode::Enforce);
        };
        let mut head = Sequence::new("head");
        enforced(&mut head, Arc::new(inspectors.protocol));
        enforced(&mut head, Arc::new(inspectors.quirks));
        let (ban, deny) = (Arc::new(inspectors.ban), Arc::new(inspectors.deny));
        let mut rest = Sequence::new("rest");
        enforced(&mut rest, inspectors.allow.clone());
        enforced(&mut rest, ban.clone());
        enforced(&mut rest, inspectors.hosts);
        for rule in inspectors.custom.requests {
            rest.add(rule, inspectors.mode);
        }
        enforced(&mut rest, deny.clone());
        enforced(&mut rest, Arc::new(inspectors.handshake));
        if !inspectors.limit.is_empty() {
            enforced(&mut rest, Arc::new(inspectors.limit));
        }
        if let Some(scan) = inspectors.scan {
            enforced(&mut rest, Arc::new(scan));
        }
        Self {
            head,
            rest,
            allow: inspectors.allow,
            ban,
            deny,
            plain_http_hint: inspectors.plain_http_hint,
        }
    }

    /// Judges a malformed request, whose denial is `malformed`.
    ///
    /// If a ban or a deny rule refuses it too, that denial is returned, because it shows the intent
    /// of the request; but not for an allowed client, because no rule bans one.
    fn judge_malformed(
        &self,
        malformed: Verdict,
        state: &mut RequestState,
        mut inspect: impl FnMut(&dyn Inspect, &mut RequestState) -> Verdict,
    ) -> Verdict {
        let mut judge = |inspector: &dyn Inspect| {
            let verdict = inspect(inspector, state);
            state.observe_or_decide(verdict)
        };
        if let Verdict::Allow(_) = judge(&*self.allow) {
            return malformed;
        }
        let verdicts = [judge(&*self.ban), judge(&*self.deny)];
        match (verdicts.into_iter().find(Verdict::refuses), malformed) {
            (Some(Verdict::Deny(denial)), Verdict::Deny(malformed)) => {
                close_as(*denial, &malformed).into()
            }
            (refused, malformed) => refused.unwrap_or(malformed),
        }
    }
}

/// Adds to `denial` the `Connection: close` of `malformed`, whose place it takes: the bytes after an
/// ambiguous end of a body cannot be trusted.
fn close_as(denial: Denial, malformed: &Denial) -> Denial {
    let headers = malformed.headers.iter();
    let close = headers.filter(|(name, _)| *name == CONNECTION);
    close.fold(denial, |denial, (name, value)| {
        denial.with_header(name.clone(), value.clone())
    })
}

impl Inspect for Chain {
    fn name(&self) -> &'static str {
        "chain"
    }

    fn needs(&self) -> Needs {
        self.head.needs() | self.rest.needs() | self.plain_http_hint.needs()
    }

    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        match self.head.inspect(facts, state) {
            Verdict::Pass => self.rest.inspect(facts, state),
            malformed => self.judge_malformed(malformed, state, |inspector, state| {
                inspector.inspect(facts, state)
            }),
        }
    }

    fn recheck(&self, client: &ClientIp, path: &PathViews<'_>, now: Now) -> Verdict {
        self.rest.recheck(client, path, now)
    }

    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>, findings: &mut Findings) {
        self.rest.on_response(state, outcome, findings);
        self.plain_http_hint.on_response(state, outcome, findings);
    }

    fn explain(
        &self,
        facts: &Facts<'_>,
        state: &mut RequestState,
        steps: &mut Explanation,
    ) -> Verdict {
        match self.head.explain(facts, state, steps) {
            Verdict::Pass => self.rest.explain(facts, state, steps),
            malformed => self.judge_malformed(malformed, state, |inspector, state| {
                inspector.explain(facts, state, steps)
            }),
        }
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chain")
            .field(&self.head)
            .field(&self.rest)
            .finish()
    }
}

// === impl MessageChain ===

impl InspectMessage for MessageChain {
    fn message_kinds(&self) -> MessageKinds {
        let custom = self.custom.message_kinds();
        custom.max(self.messages.message_kinds())
    }

    fn inspect_message(&self, message: &MessageFacts<'_>, denials: &mut MessageDenials) {
        self.judge(message, denials, |rule, denials| {
            rule.inspect_message(message, denials);
        });
    }

    fn inspect_control(
        &self,
        kind: ControlKind,
        message: &MessageFacts<'_>,
        denials: &mut MessageDenials,
    ) {
        self.judge(message, denials, |rule, denials| {
            rule.inspect_control(kind, message, denials);
        });
    }
}

impl MessageChain {
    /// Calls `judge` for each rule until one adds an enforced denial. Messages of an allowed client,
    /// or on an allowed path, are not judged.
    fn judge(
        &self,
        message: &MessageFacts<'_>,
        denials: &mut MessageDenials,
        judge: impl Fn(&dyn InspectMessage, &mut MessageDenials),
    ) {
        let path = PathViews::new(message.path.as_bytes());
        if self.allow.allows(message.client, &path) {
            return;
        }
        for rule in &self.custom.messages {
            match self.mode {
                Mode::Enforce => judge(&**rule, denials),
                Mode::Observe => observe(denials, |own| judge(&**rule, own)),
            }
            if denials.are_final() {
                return;
            }
        }
        judge(&self.messages, denials);
    }
}

/// Calls `judge`, and adds its denials as observed ones.
fn observe(denials: &mut MessageDenials, judge: impl Fn(&mut MessageDenials)) {
    let mut own = MessageDenials::default();
    judge(&mut own);
    let (observed, enforced) = own.into_parts();
    for denial in observed.into_iter().chain(enforced) {
        denials.add(denial.with_mode(Mode::Observe));
    }
}
