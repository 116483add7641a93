//! The order of judgment.
//!
//! A head that two servers would read differently is refused, whoever sends it; so is one that the
//! server behind reads otherwise than most. Where a ban or a
//! deny rule refuses it too, that refusal is the answer, since it says what the sender was after;
//! unless the sender is allowed, whom no rule bans.
//!
//! Then those who are allowed are let through. Then those who are banned are refused, and those
//! who ask for a host that is not here. Then a user's own rules are asked, then the deny rules, then whether
//! a page may open sockets here, and last what counts (limits, scans): cheap and
//! certain before costly and probable.
//!
//! A denial that only observes is noted, and judgment goes on: it never hides one that acts.

use std::sync::Arc;

use gabion_core::{
    Cause, DiagnosisEvent, Explanation, Facts, Inspect, MessageDenials, MessageFacts, Mode,
    Offense, Outcome, PathViews, RequestState, Verdict,
};
use gabion_inspect::{
    Allow, Ban, Deny, Handshake, HostAllowlist, Messages, PlainHttpHint, ProtocolRules,
    ServerQuirks,
};

/// A compiled policy: every inspector, in order.
pub struct Chain {
    pub(crate) protocol: ProtocolRules,
    pub(crate) quirks: ServerQuirks,
    pub(crate) allow: Allow,
    pub(crate) ban: Ban,
    pub(crate) hosts: HostAllowlist,
    /// A user's own rules.
    pub(crate) custom: Vec<Arc<dyn Inspect>>,
    pub(crate) deny: Deny,
    /// Where sockets are held to anything.
    pub(crate) handshake: Option<Handshake>,
    /// Asked about messages only.
    pub(crate) messages: Messages,
    /// Asked about answers only.
    pub(crate) plain_http_hint: PlainHttpHint,
    /// Limits, then scans: what counts comes after what is certain.
    pub(crate) counting: Vec<Arc<dyn Inspect>>,
}

// === impl Chain ===

impl Chain {
    /// Walks the inspectors in order; `ask` puts the question to one of them.
    fn walk(
        &self,
        state: &mut RequestState,
        mut ask: impl FnMut(&dyn Inspect, &mut RequestState) -> Verdict,
    ) -> Verdict {
        let mut ask = |who: &dyn Inspect| match ask(who, state) {
            Verdict::Deny(denial) if denial.mode == Mode::Observe => {
                state.observe(denial);
                Verdict::Pass
            }
            verdict => verdict,
        };

        let malformed = match ask(&self.protocol) {
            Verdict::Pass => ask(&self.quirks),
            refused => refused,
        };
        if malformed.refuses() {
            if let Verdict::Allow(_) = ask(&self.allow) {
                return malformed;
            }
            let told = [ask(&self.ban), ask(&self.deny)];
            return told.into_iter().find(Verdict::refuses).unwrap_or(malformed);
        }
        let mut verdicts = self.after_head().map(ask);
        let decided = verdicts.find(|verdict| !matches!(verdict, Verdict::Pass));
        decided.unwrap_or(Verdict::Pass)
    }

    /// Who judges a head that is sound.
    fn after_head(&self) -> impl Iterator<Item = &dyn Inspect> {
        let before: [&dyn Inspect; 3] = [&self.allow, &self.ban, &self.hosts];
        let custom = self.custom.iter().map(|rule| -> &dyn Inspect { &**rule });
        let deny: [&dyn Inspect; 1] = [&self.deny];
        let handshake = self.handshake.iter().map(|who| -> &dyn Inspect { who });
        let counting = self.counting.iter().map(|who| -> &dyn Inspect { &**who });
        let before = before.into_iter().chain(custom).chain(deny);
        before.chain(handshake).chain(counting)
    }
}

impl Inspect for Chain {
    fn name(&self) -> &'static str {
        "chain"
    }

    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        self.walk(state, |who, state| who.inspect(facts, state))
    }

    fn recheck(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        self.walk(state, |who, state| who.recheck(facts, state))
    }

    /// Everyone is asked until one objects whose objection acts, unless the client or its path is
    /// allowed.
    fn message(&self, message: &MessageFacts<'_>, denials: &mut MessageDenials) {
        let path = PathViews::new(message.path.as_bytes());
        if self.allow.lets(message.client, &path) {
            return;
        }
        let messages: [&dyn Inspect; 1] = [&self.messages];
        for who in self.after_head().chain(messages) {
            if denials.are_final() {
                return;
            }
            who.message(message, denials);
        }
    }

    /// Everyone learns; the first offense that is found counts.
    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<Offense> {
        self.plain_http_hint.on_response(state, outcome);
        let learned = self.after_head().map(|who| who.on_response(state, outcome));
        learned.fold(None, Option::or)
    }

    fn diagnose(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<DiagnosisEvent> {
        let told = self
            .after_head()
            .find_map(|who| who.diagnose(state, outcome));
        told.or_else(|| self.plain_http_hint.diagnose(state, outcome))
    }

    fn probe_hit(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<Cause> {
        self.after_head()
            .find_map(|who| who.probe_hit(state, outcome))
    }

    fn explain(
        &self,
        facts: &Facts<'_>,
        state: &mut RequestState,
        steps: &mut Explanation,
    ) -> Verdict {
        self.walk(state, |who, state| who.explain(facts, state, steps))
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.after_head().map(Inspect::name).collect();
        f.debug_tuple("Chain").field(&names).finish()
    }
}
