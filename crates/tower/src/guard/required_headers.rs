//! What a refusal must say, whatever reply was chosen.

use gabion_core::{Denial, Facts, Upgrade};
use http::{
    HeaderMap, HeaderValue, Version,
    header::{CONNECTION, UPGRADE},
};

/// Adds what the status obliges the answer to say, in place of what the reply says of it, and ends
/// the connection of a refused upgrade (RFC 9931).
pub(super) fn add(denial: &Denial, facts: &Facts<'_>, headers: &mut HeaderMap) {
    for (name, value) in &denial.headers {
        headers.insert(name, value.clone());
    }
    if facts.upgrade != Upgrade::None && facts.version <= Version::HTTP_11 {
        // RFC 9110, 7.8: who sends `Upgrade` nominates it.
        let has_upgrade = headers.contains_key(UPGRADE);
        let close = if has_upgrade {
            "close, upgrade"
        } else {
            "close"
        };
        headers.insert(CONNECTION, HeaderValue::from_static(close));
    }
}
