//! Serde support for an optional [`Mode`], written as `"enforce"` or `"observe"`.
//!
//! For fields of type `Option<Mode>`, as `#[serde(default, with = "gabion_inspect::serde_mode")]`.
//! `gabion-core` does not depend on serde.

use gabion_core::Mode;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Deserialize, Serialize)]
#[serde(remote = "Mode", rename_all = "lowercase")]
enum Text {
    Enforce,
    Observe,
}

#[derive(Deserialize, Serialize)]
struct Wrapped(#[serde(with = "Text")] Mode);

/// Deserializes a mode.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Mode>, D::Error> {
    Wrapped::deserialize(from).map(|wrapped| Some(wrapped.0))
}

/// Serializes a mode.
#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde requires"
)]
pub fn serialize<S: Serializer>(mode: &Option<Mode>, to: S) -> Result<S::Ok, S::Error> {
    mode.map(Wrapped).serialize(to)
}
