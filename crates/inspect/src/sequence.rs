//! Inspectors in order.

use std::{fmt, sync::Arc};

use gabion_core::{
    ClientIp, Explanation, Facts, Findings, Inspect, Mode, Needs, Now, Outcome, PathViews,
    RequestState, Verdict,
};

/// Inspectors that judge in order: the first verdict that is neither a pass nor an observed denial
/// decides. An observed denial is recorded, and judgment continues, so that it never hides an
/// enforced one.
///
/// The calls that each inspector needs ([`Inspect::needs`]) are read when it is added, and no other
/// call is made.
///
/// # Examples
///
/// ```
/// # use gabion_testkit::OwnedHead;
/// use std::sync::Arc;
/// use gabion_core::{ClientRules, Inspect, Mode, RequestState};
/// use gabion_inspect::{Config, Context, DenyRule, ProtocolRules, Sequence, State};
///
/// let deny = [DenyRule::new("php").extensions(["php"])].compile(&Context::new(&State::scratch()))?;
/// let mut sequence = Sequence::new("strict");
/// sequence.add(Arc::new(ProtocolRules::new(Mode::Enforce)), Mode::Enforce);
/// sequence.add(Arc::new(deny), Mode::Observe);
///
/// let head = OwnedHead::get("/index.php");
/// let facts = head.facts(&ClientRules::default());
/// let mut state = RequestState::new(&facts);
/// assert!(!sequence.inspect(&facts, &mut state).refuses());
/// assert_eq!(state.observed()[0].cause.rule.as_str(), "php");
/// # Ok::<(), gabion_inspect::ConfigErrors>(())
/// ```
pub struct Sequence {
    name: &'static str,
    all: Vec<Step>,
    on_request: Vec<Step>,
    on_recheck: Vec<Step>,
    on_response: Vec<Step>,
    needs: Needs,
}

#[derive(Clone)]
struct Step {
    inspector: Arc<dyn Inspect>,
    mode: Mode,
}

// === impl Sequence ===

impl Sequence {
    /// Creates a sequence without inspectors, which passes every request.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            all: Vec::new(),
            on_request: Vec::new(),
            on_recheck: Vec::new(),
            on_response: Vec::new(),
            needs: Needs::NONE,
        }
    }

    /// Appends an inspector. In [`Mode::Observe`], none of its denials is enforced and none of its
    /// offenses bans, whatever their own mode.
    pub fn add(&mut self, inspector: Arc<dyn Inspect>, mode: Mode) {
        let (needs, step) = (inspector.needs(), Step { inspector, mode });
        for (call, steps) in [
            (Needs::REQUESTS, &mut self.on_request),
            (Needs::RECHECKS, &mut self.on_recheck),
            (Needs::RESPONSES, &mut self.on_response),
        ] {
            if needs.contains(call) {
                steps.push(step.clone());
            }
        }
        self.all.push(step);
        self.needs |= needs;
    }
}

impl Inspect for Sequence {
    fn name(&self) -> &'static str {
        self.name
    }

    fn needs(&self) -> Needs {
        self.needs
    }

    fn inspect(&self, facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        for step in &self.on_request {
            match step.inspector.inspect(facts, state) {
                Verdict::Pass => {}
                verdict => match state.observe_or_decide(step.in_mode(verdict)) {
                    Verdict::Pass => {}
                    decided => return decided,
                },
            }
        }
        Verdict::Pass
    }

    fn recheck(&self, client: &ClientIp, path: &PathViews<'_>, now: Now) -> Verdict {
        let verdicts = self
            .on_recheck
            .iter()
            .map(|step| step.in_mode(step.inspector.recheck(client, path, now)));
        let is_final = |verdict: &Verdict| match verdict {
            Verdict::Pass => false,
            Verdict::Allow(_) => true,
            Verdict::Deny(denial) => !denial.is_observed(),
        };
        verdicts.into_iter().find(is_final).unwrap_or(Verdict::Pass)
    }

    /// Calls every inspector that needs responses. The findings of one in observe mode are kept
    /// except for its offense, so that its state is current when the mode becomes enforce.
    fn on_response(&self, state: &RequestState, outcome: &Outcome<'_>, findings: &mut Findings) {
        for step in &self.on_response {
            let offense = findings.offense.is_some();
            step.inspector.on_response(state, outcome, findings);
            if step.mode == Mode::Observe && !offense {
                findings.offense = None;
            }
        }
    }

    fn explain(
        &self,
        facts: &Facts<'_>,
        state: &mut RequestState,
        steps: &mut Explanation,
    ) -> Verdict {
        for step in &self.all {
            let verdict = step.in_mode(step.inspector.explain(facts, state, steps));
            let verdict = state.observe_or_decide(verdict);
            if !matches!(verdict, Verdict::Pass) {
                return verdict;
            }
        }
        Verdict::Pass
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.all.iter().map(|step| step.inspector.name());
        f.debug_tuple("Sequence")
            .field(&names.collect::<Vec<_>>())
            .finish()
    }
}

// === impl Step ===

impl Step {
    /// Turns a denial into an observed one if the inspector is in observe mode.
    fn in_mode(&self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Deny(mut denial) if self.mode == Mode::Observe => {
                denial.mode = Mode::Observe;
                Verdict::Deny(denial)
            }
            verdict => verdict,
        }
    }
}
