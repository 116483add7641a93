//! Who is banned from the start, and for how long others are.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Network, Period, Strings};

/// Section `[ban]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "plain data, written by hand")]
pub struct BanConfig {
    /// Clients that are always refused.
    pub networks: Vec<Network>,
    /// Files of such networks, one a line, beside the document.
    pub files: Strings,
    /// How long a rule that bans does so, unless it says otherwise.
    pub first: Period,
}

impl Default for BanConfig {
    fn default() -> Self {
        Self {
            networks: Vec::new(),
            files: Strings::default(),
            first: Period(Duration::from_mins(10)),
        }
    }
}
