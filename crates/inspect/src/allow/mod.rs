//! Lets through what is never to be judged further.

mod config;

use gabion_core::{Facts, Inspect, Trace, Verdict};

pub use config::AllowConfig;

use crate::ConfigError;

/// Lets through what is never to be judged further.
#[derive(Debug)]
pub struct Allow;

impl Allow {
    /// Compiles `config`.
    pub fn compile(config: &AllowConfig) -> Result<Self, Vec<ConfigError>> {
        let _ = config;
        Ok(Self)
    }
}

impl Inspect for Allow {
    fn name(&self) -> &'static str {
        "allow"
    }

    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut Trace) -> Verdict {
        Verdict::Pass
    }
}
