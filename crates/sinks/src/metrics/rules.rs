//! Ids of rules as labels, in bounded number.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use gabion_core::RuleId;
use metrics::SharedString;

use super::Metrics;

/// The ids that are labels, at most [`Metrics::MAX_RULES`]: the first ones that were seen.
#[derive(Debug, Default)]
pub(super) struct RuleLabels(RwLock<HashMap<RuleId, SharedString>>);

// === impl RuleLabels ===

impl RuleLabels {
    /// Returns the label of a rule. Allocates for the first event of a rule only.
    pub(super) fn label(&self, rule: &RuleId) -> SharedString {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(label) = known.get(rule) {
            return label.clone();
        }
        let is_full = known.len() >= Metrics::MAX_RULES;
        drop(known);
        if is_full {
            return Metrics::OTHER_RULES.into();
        }
        self.add(rule)
    }

    #[cold]
    fn add(&self, rule: &RuleId) -> SharedString {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= Metrics::MAX_RULES && !known.contains_key(rule) {
            return Metrics::OTHER_RULES.into();
        }
        let label = || SharedString::from_shared(rule.as_str().into());
        known.entry(rule.clone()).or_insert_with(label).clone()
    }
}
