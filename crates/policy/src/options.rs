//! What a live policy is given once, for all documents to come.

use std::{fmt, sync::Arc, time::Duration};

use gabion_core::{Inspect, Sink};

use crate::{ShrinkGuard, State};

/// What a [`crate::PolicyHandle`] is given once, and puts back at each reload.
#[derive(Clone)]
pub struct PolicyOptions {
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) state: State,
    pub(crate) custom: Vec<Arc<dyn Inspect>>,
    pub(crate) shrink: ShrinkGuard,
    pub(crate) budget: Duration,
}

impl PolicyOptions {
    /// How long a policy may take to compile unless another budget is given.
    pub const BUDGET: Duration = Duration::from_secs(10);

    /// Tells `sink` of every policy that comes into force or is refused.
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        Self {
            sink,
            state: State::default(),
            custom: Vec::new(),
            shrink: ShrinkGuard::default(),
            budget: Self::BUDGET,
        }
    }

    /// Shares `state` with every policy.
    pub fn with_state(self, state: State) -> Self {
        Self { state, ..self }
    }

    /// Adds a rule of one's custom, which is asked after `ban` and before `deny`.
    pub fn add_rule(mut self, rule: Arc<dyn Inspect>) -> Self {
        self.custom.push(rule);
        self
    }

    /// Sets whether a new policy may lose much of what the old one holds.
    pub fn with_shrink_guard(self, shrink: ShrinkGuard) -> Self {
        Self { shrink, ..self }
    }

    /// Sets how long a policy may take to compile before it is refused.
    pub fn with_budget(self, budget: Duration) -> Self {
        Self { budget, ..self }
    }
}

impl fmt::Debug for PolicyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let custom: Vec<_> = self.custom.iter().map(|rule| rule.name()).collect();
        f.debug_struct("Options")
            .field("state", &self.state)
            .field("custom", &custom)
            .field("shrink", &self.shrink)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}
