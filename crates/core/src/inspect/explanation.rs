//! The record of one judgment.

use std::fmt;

use crate::Verdict;

/// The steps of one judgment, in order. Filled by [`Inspect::explain`](crate::Inspect::explain).
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
