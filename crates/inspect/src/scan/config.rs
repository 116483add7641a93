//! When a client behaves like a scanner.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use gabion_core::Mode;
use serde::{Deserialize, Serialize};

use crate::Period;

/// Section `[scan]`; nobody is scored where there is none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "plain data, written by hand")]
pub struct ScanConfig {
    /// The score at which a client is banned.
    pub ban_at: NonZeroU32,
    /// The time in which a score halves.
    pub half_life: Period,
    /// How long a ban lasts; `[ban] first` where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ban_for: Option<Period>,
    /// Whether it bans; the document's mode where it says nothing.
    #[serde(with = "crate::serde_mode", skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// What a signal weighs, by its name, where it is not to weigh what it does.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, u16>,
}

impl Default for ScanConfig {
    fn default() -> Self {
        Self {
            ban_at: NonZeroU32::new(100).unwrap_or(NonZeroU32::MIN),
            half_life: Period(Duration::from_mins(10)),
            ban_for: None,
            mode: None,
            weights: BTreeMap::new(),
        }
    }
}
