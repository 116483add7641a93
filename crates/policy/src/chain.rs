//! The order of judgment.
//!
//! A head that two servers would read differently is refused whoever sends it. Where a ban or a
//! deny rule refuses it too, that refusal is the answer, since it says what the sender was after;
//! unless the sender is allowed, whom no rule bans.
//! Then those who are allowed are let through. Then those who are banned are refused. Then a
//! user's own rules are asked, and last the deny rules: cheap and certain before costly.
//!
//! A denial that only observes is noted, and judgment goes on: it never hides one that acts.

use std::sync::Arc;

use gabion_core::{Explanation, Facts, Inspect, Mode, Offence, Outcome, Trace, Verdict};
use gabion_inspect::{Allow, Ban, Deny, Sanity};

/// A compiled policy: every inspector, in order.
pub struct Chain {
    head: HeadRules,
    allow: Allow,
    ban: Ban,
    own: Vec<Arc<dyn Inspect>>,
    deny: Deny,
}

/// The hard refusals of a head, in the mode of the document.
struct HeadRules {
    sanity: Sanity,
    mode: Mode,
}

// === impl Chain ===

impl Chain {
    /// Judges by `allow`, `ban`, a user's `own` rules and `deny`; `mode` is that of the hard
    /// refusals of a head, the other inspectors know theirs.
    pub fn new(mode: Mode, allow: Allow, ban: Ban, own: Vec<Arc<dyn Inspect>>, deny: Deny) -> Self {
        let sanity = Sanity::default();
        Self {
            head: HeadRules { sanity, mode },
            allow,
            ban,
            own,
            deny,
        }
    }

    /// Walks the inspectors in order; `ask` puts the question to one of them.
    fn walk(
        &self,
        trace: &mut Trace,
        mut ask: impl FnMut(&dyn Inspect, &mut Trace) -> Verdict,
    ) -> Verdict {
        let mut ask = |who: &dyn Inspect, trace: &mut Trace| match ask(who, trace) {
            Verdict::Deny(denial) if denial.mode == Mode::Observe => {
                trace.observe(denial);
                Verdict::Pass
            }
            verdict => verdict,
        };

        if let Verdict::Deny(refusal) = ask(&self.head, trace) {
            if let Verdict::Allow(_) = ask(&self.allow, trace) {
                return Verdict::Deny(refusal);
            }
            let probing: [&dyn Inspect; 2] = [&self.ban, &self.deny];
            let mut asked = probing.into_iter().map(|who| ask(who, trace));
            return asked
                .find(Verdict::refuses)
                .unwrap_or(Verdict::Deny(refusal));
        }
        let mut asked = self.after_head().map(|who| ask(who, trace));
        asked
            .find(|verdict| *verdict != Verdict::Pass)
            .unwrap_or(Verdict::Pass)
    }

    /// Who judges a head that is sound.
    fn after_head(&self) -> impl Iterator<Item = &dyn Inspect> {
        let before: [&dyn Inspect; 2] = [&self.allow, &self.ban];
        let own = self
            .own
            .iter()
            .map(|rule| -> &dyn Inspect { rule.as_ref() });
        let after: [&dyn Inspect; 1] = [&self.deny];
        before.into_iter().chain(own).chain(after)
    }
}

impl Inspect for Chain {
    fn name(&self) -> &'static str {
        "chain"
    }

    fn inspect(&self, facts: &Facts<'_>, trace: &mut Trace) -> Verdict {
        self.walk(trace, |who, trace| who.inspect(facts, trace))
    }

    /// Everyone learns; the first offence that is found counts.
    fn learn(&self, trace: &Trace, outcome: &Outcome) -> Option<Offence> {
        let learned = self.after_head().map(|who| who.learn(trace, outcome));
        learned.fold(None, Option::or)
    }

    fn explain(&self, facts: &Facts<'_>, trace: &mut Trace, steps: &mut Explanation) -> Verdict {
        self.walk(trace, |who, trace| who.explain(facts, trace, steps))
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.after_head().map(Inspect::name).collect();
        f.debug_tuple("Chain").field(&names).finish()
    }
}

// === impl HeadRules ===

impl Inspect for HeadRules {
    fn name(&self) -> &'static str {
        self.sanity.name()
    }

    fn inspect(&self, facts: &Facts<'_>, trace: &mut Trace) -> Verdict {
        match self.sanity.inspect(facts, trace) {
            Verdict::Deny(denial) => denial.with_mode(self.mode).into(),
            verdict => verdict,
        }
    }
}
