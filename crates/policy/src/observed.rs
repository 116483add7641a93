//! A user's own rule under a policy that only observes.

use std::sync::Arc;

use gabion_core::{
    Cause, DiagnosisEvent, Explanation, Facts, Inspect, MessageFacts, Mode, Objections, Offence,
    Outcome, Reads, Trace, Verdict,
};

/// An own rule whose denials do not act: it judges, and bans nobody for what it learns.
pub(crate) struct Observed(pub(crate) Arc<dyn Inspect>);

impl Observed {
    fn soften(verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Deny(denial) => denial.with_mode(Mode::Observe).into(),
            verdict => verdict,
        }
    }
}

impl Inspect for Observed {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn inspect(&self, facts: &Facts<'_>, trace: &mut Trace) -> Verdict {
        Self::soften(self.0.inspect(facts, trace))
    }

    fn revisit(&self, facts: &Facts<'_>, trace: &mut Trace) -> Verdict {
        Self::soften(self.0.revisit(facts, trace))
    }

    fn reads(&self) -> Reads {
        self.0.reads()
    }

    fn message(&self, message: &MessageFacts<'_>, objections: &mut Objections) {
        let mut own = Objections::default();
        self.0.message(message, &mut own);
        let (observed, enforced) = own.into_parts();
        for objection in observed.into_iter().chain(enforced) {
            objections.add(objection.with_mode(Mode::Observe));
        }
    }

    /// It learns as ever, for the day it acts.
    fn learn(&self, trace: &Trace, outcome: &Outcome<'_>) -> Option<Offence> {
        let _ = self.0.learn(trace, outcome);
        None
    }

    fn diagnose(&self, trace: &Trace, outcome: &Outcome<'_>) -> Option<DiagnosisEvent> {
        self.0.diagnose(trace, outcome)
    }

    fn reached(&self, trace: &Trace, outcome: &Outcome<'_>) -> Option<Cause> {
        self.0.reached(trace, outcome)
    }

    fn explain(&self, facts: &Facts<'_>, trace: &mut Trace, steps: &mut Explanation) -> Verdict {
        Self::soften(self.0.explain(facts, trace, steps))
    }
}
