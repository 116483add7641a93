//! A wrapper that puts a user's own rule in observe mode.

use std::sync::Arc;

use gabion_core::{
    Cause, DiagnosisEvent, Explanation, Facts, Inspect, MessageDenials, MessageFacts, MessageKinds,
    Mode, Offense, Outcome, RequestState, Verdict,
};

/// A user's own rule in observe mode: its denials are not enforced, and its offenses ban no client.
pub(crate) struct ObserveOnly(pub(crate) Arc<dyn Inspect>);

impl ObserveOnly {
    fn observe(verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Deny(denial) => denial.with_mode(Mode::Observe).into(),
            verdict => verdict,
        }
    }
}

impl Inspect for ObserveOnly {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        Self::observe(self.0.inspect(facts, state))
    }

    fn recheck(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        Self::observe(self.0.recheck(facts, state))
    }

    fn message_kinds(&self) -> MessageKinds {
        self.0.message_kinds()
    }

    fn message(&self, message: &MessageFacts<'_>, denials: &mut MessageDenials) {
        let mut own = MessageDenials::default();
        self.0.message(message, &mut own);
        let (observed, enforced) = own.into_parts();
        for denial in observed.into_iter().chain(enforced) {
            denials.add(denial.with_mode(Mode::Observe));
        }
    }

    /// The rule still sees responses, so that its state is current when the mode becomes enforce.
    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<Offense> {
        let _ = self.0.on_response(state, outcome);
        None
    }

    fn diagnose(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<DiagnosisEvent> {
        self.0.diagnose(state, outcome)
    }

    fn probe_hit(&self, state: &RequestState, outcome: &Outcome<'_>) -> Option<Cause> {
        self.0.probe_hit(state, outcome)
    }

    fn explain(
        &self,
        facts: &Facts<'_>,
        state: &mut RequestState,
        steps: &mut Explanation,
    ) -> Verdict {
        Self::observe(self.0.explain(facts, state, steps))
    }
}
