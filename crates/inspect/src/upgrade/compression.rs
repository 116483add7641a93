//! The handling of compression.

use serde::{Deserialize, Serialize};

/// The handling of an offer to compress messages that a [`MessageRule`](crate::MessageRule) must
/// read ([`UpgradeConfig::compression`](crate::UpgradeConfig::compression)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "an offer is declined or accepted")]
pub enum Compression {
    /// Removes the offer from the handshake, so that messages are not compressed.
    #[default]
    Decline,
    /// Accepts the offer and inflates messages to read them.
    Inflate,
}
