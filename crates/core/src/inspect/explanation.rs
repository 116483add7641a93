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
    /// Details that a verdict does not have, such as the signals of a scanner with their weights.
    pub notes: Vec<String>,
}

impl Explanation {
    /// Records the verdict of `inspector`.
    pub fn note(&mut self, inspector: &'static str, verdict: &Verdict) {
        self.steps.push(ExplanationStep {
            inspector,
            verdict: verdict.clone(),
            notes: Vec::new(),
        });
    }

    /// Adds a detail to the last step, if there is one.
    pub fn add_detail(&mut self, detail: String) {
        if let Some(step) = self.steps.last_mut() {
            step.notes.push(detail);
        }
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
