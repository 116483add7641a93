//! Refuses heads that no honest client sends.

use gabion_core::{Facts, Inspect, Trace, Verdict};

/// Refuses heads.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Sanity;

impl Inspect for Sanity {
    fn name(&self) -> &'static str {
        "sanity"
    }

    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut Trace) -> Verdict {
        Verdict::Pass
    }
}
