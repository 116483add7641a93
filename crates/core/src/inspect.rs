//! Who judges facts.

use std::{fmt, time::Duration};

use http::StatusCode;

use crate::{ClientIp, Denial, Facts, Now, Offence, Verdict};

/// Judges the head of a request. Synchronous, pure but for its own bounded state, infallible: what
/// can fail has failed when it was compiled.
pub trait Inspect: Send + Sync {
    /// What this inspector is called in an explanation.
    fn name(&self) -> &'static str;

    /// Judges one request.
    ///
    /// A refusal in [`crate::Mode::Observe`] may be returned (whoever enforces lets it pass) or,
    /// when there is more to look at, noted with [`Trace::observe`].
    fn inspect(&self, facts: &Facts<'_>, trace: &mut Trace) -> Verdict;

    /// Learns how the exchange ended, denied or not; may find an offence in it.
    fn learn(&self, trace: &Trace, outcome: &Outcome) -> Option<Offence> {
        let _ = (trace, outcome);
        None
    }

    /// Judges like [`Inspect::inspect`] and notes each step. An inspector made of others
    /// forwards to theirs, so that the explanation is the judgement itself.
    fn explain(&self, facts: &Facts<'_>, trace: &mut Trace, steps: &mut Explanation) -> Verdict {
        let verdict = self.inspect(facts, trace);
        steps.note(self.name(), &verdict);
        verdict
    }
}

/// What is remembered of a request while the service answers it. Of bounded size.
#[derive(Clone, Debug)]
pub struct Trace {
    client: ClientIp,
    now: Now,
    observed: Vec<Denial>,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The status of the answer, the service's or ours.
    pub status: StatusCode,
    /// Whether the answer was ours.
    pub denied: bool,
    /// From the judgement to the head of the answer.
    pub elapsed: Duration,
}

/// The steps of one judgement, in order.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    steps: Vec<Step>,
}

/// What one inspector said.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name.
    pub inspector: &'static str,
    /// Its verdict.
    pub verdict: Verdict,
}

// === impl Trace ===

impl Trace {
    /// How many observed denials of one request are kept. One that is beyond is dropped: the
    /// first ones tell the story.
    pub const MAX_OBSERVED: usize = 8;

    /// Remembers what `facts` says.
    pub fn new(facts: &Facts<'_>) -> Self {
        Self {
            client: facts.client,
            now: facts.now,
            observed: Vec::new(),
        }
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

impl Outcome {
    /// An exchange that ended with `status`.
    pub const fn new(status: StatusCode, denied: bool, elapsed: Duration) -> Self {
        Self {
            status,
            denied,
            elapsed,
        }
    }
}

// === impl Explanation ===

impl Explanation {
    /// Notes what `inspector` said.
    pub fn note(&mut self, inspector: &'static str, verdict: &Verdict) {
        self.steps.push(Step {
            inspector,
            verdict: verdict.clone(),
        });
    }

    /// What was said so far, in order.
    pub fn steps(&self) -> &[Step] {
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
