//! Refuses paths.

mod config;

use std::time::Duration;

use gabion_core::{Facts, Inspect, Mode, Trace, Verdict};

use crate::ConfigError;

pub use config::{DenyRule, Then};

/// Refuses paths.
#[derive(Debug)]
pub struct Deny;

impl Deny {
    /// Compiles rules.
    pub fn compile(rules: &[DenyRule], mode: Mode, first: Duration) -> Result<Self, Vec<ConfigError>> {
        let _ = (rules, mode, first);
        Ok(Self)
    }
}

impl Inspect for Deny {
    fn name(&self) -> &'static str {
        "deny"
    }

    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut Trace) -> Verdict {
        Verdict::Pass
    }
}
