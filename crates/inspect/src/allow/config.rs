//! Who and what is never judged further.

use serde::{Deserialize, Serialize};

use crate::{Network, OneOrMany};

/// Section `[allow]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "plain data, written by hand")]
pub struct AllowConfig {
    /// Clients that are never banned nor denied.
    pub networks: Vec<Network>,
    /// Paths, by segment, under which nothing is banned nor denied.
    pub paths: OneOrMany,
}
