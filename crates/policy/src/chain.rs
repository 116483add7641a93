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

use std::sync::Arc;

use gabion_core::{
    Cause, DiagnosisEvent, Explanation, Facts, Inspect, MessageDenials, MessageFacts, Mode,
    Offense, Outcome, PathViews, RequestState, Verdict,
};
use gabion_inspect::{
    Allow, Ban, Deny, Handshake, HostAllowlist, Messages, PlainHttpHint, ProtocolRules,
    ServerQuirks,
};

/// A compiled policy: all inspectors of one [`Document`](crate::Document), in order.
///
/// A chain is immutable. [`PolicyHandle`](crate::PolicyHandle) compiles one for each document and
/// stores it in a [`Snapshot`](gabion_core::Snapshot), whose `chain` field is this type as an
/// [`Inspect`].
pub struct Chain {
    pub(crate) protocol: ProtocolRules,
    pub(crate) quirks: ServerQuirks,
    pub(crate) allow: Allow,
    pub(crate) ban: Ban,
    pub(crate) hosts: HostAllowlist,
    /// The user's own rules.
    pub(crate) custom: Vec<Arc<dyn Inspect>>,
    pub(crate) deny: Deny,
    /// `None` if the document has no `[upgrade]` section.
    pub(crate) handshake: Option<Handshake>,
    /// Judges WebSocket messages only.
    pub(crate) messages: Messages,
    /// Sees responses only.
    pub(crate) plain_http_hint: PlainHttpHint,
    /// Limits, then scans.
    pub(crate) counting: Vec<Arc<dyn Inspect>>,
}

// === impl Chain ===

impl Chain {
    /// Runs the inspectors in order; `inspect` calls one of them.
    fn run(
        &self,
        state: &mut RequestState,
        mut inspect: impl FnMut(&dyn Inspect, &mut RequestState) -> Verdict,
    ) -> Verdict {
        let mut judge = |inspector: &dyn Inspect| match inspect(inspector, state) {
            Verdict::Deny(denial) if denial.mode == Mode::Observe => {
                state.observe(denial);
                Verdict::Pass
            }
            verdict => verdict,
        };

        let malformed = match judge(&self.protocol) {
            Verdict::Pass => judge(&self.quirks),
            refused => refused,
        };
        if malformed.refuses() {
            if let Verdict::Allow(_) = judge(&self.allow) {
                return malformed;
            }
            let verdicts = [judge(&self.ban), judge(&self.deny)];
            return verdicts
                .into_iter()
                .find(Verdict::refuses)
                .unwrap_or(malformed);
        }
        let mut verdicts = self.after_protocol().map(judge);
        let decided = verdicts.find(|verdict| !matches!(verdict, Verdict::Pass));
        decided.unwrap_or(Verdict::Pass)
    }

    /// The inspectors of a well-formed request, in order.
    fn after_protocol(&self) -> impl Iterator<Item = &dyn Inspect> {
        let before: [&dyn Inspect; 3] = [&self.allow, &self.ban, &self.hosts];
        let custom = self.custom.iter().map(|rule| -> &dyn Inspect { &**rule });
        let deny: [&dyn Inspect; 1] = [&self.deny];
        let handshake = self.handshake.iter();
        let handshake = handshake.map(|inspector| -> &dyn Inspect { inspector });
        let counting = self.counting.iter();
        let counting = counting.map(|inspector| -> &dyn Inspect { &**inspector });
        let before = before.into_iter().chain(custom).chain(deny);
        before.chain(handshake).chain(counting)
    }
}

impl Inspect for Chain {
    fn name(&self) -> &'static str {
        "chain"
    }

    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        self.run(state, |inspector, state| inspector.inspect(facts, state))
    }

    fn recheck(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        self.run(state, |inspector, state| inspector.recheck(facts, state))
    }

    /// Calls each inspector until one adds an enforced denial. Messages of an allowed client, or on
    /// an allowed path, are not judged.
    fn message(&self, message: &MessageFacts<'_>, denials: &mut MessageDenials) {
        let path = PathViews::new(message.path.as_bytes());
        if self.allow.allows(message.client, &path) {
            return;
        }
        let messages: [&dyn Inspect; 1] = [&self.messages];
        for inspector in self.after_protocol().chain(messages) {
            if denials.are_final() {
                return;
            }
            inspector.message(message, denials);
        }
    }

    /// Calls every inspector; the first offense found is returned.
    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<Offense> {
        self.plain_http_hint.on_response(state, outcome);
        let offenses = self
            .after_protocol()
            .map(|inspector| inspector.on_response(state, outcome));
        offenses.fold(None, Option::or)
    }

    fn diagnose(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<DiagnosisEvent> {
        let diagnosis = self
            .after_protocol()
            .find_map(|inspector| inspector.diagnose(state, outcome));
        diagnosis.or_else(|| self.plain_http_hint.diagnose(state, outcome))
    }

    fn probe_hit(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<Cause> {
        self.after_protocol()
            .find_map(|inspector| inspector.probe_hit(state, outcome))
    }

    fn explain(
        &self,
        facts: &Facts<'_>,
        state: &mut RequestState,
        steps: &mut Explanation,
    ) -> Verdict {
        self.run(state, |inspector, state| {
            inspector.explain(facts, state, steps)
        })
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.after_protocol().map(Inspect::name).collect();
        f.debug_tuple("Chain").field(&names).finish()
    }
}
