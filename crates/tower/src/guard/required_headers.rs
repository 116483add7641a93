//! Response headers that a denial requires, whatever the reply.

use gabion_core::{Denial, Facts, Upgrade};
use http::{
    HeaderMap, HeaderValue, Version,
    header::{CONNECTION, UPGRADE},
};

/// Sets the headers that the status requires, in place of those of the reply, and closes the
/// connection of a denied upgrade (RFC 9931).
pub(super) fn add(denial: &Denial, facts: &Facts<'_>, headers: &mut HeaderMap) {
    for (name, value) in &denial.headers {
        headers.insert(name, value.clone());
    }
    if facts.upgrade != Upgrade::None && facts.version <= Version::HTTP_11 {
        // RFC 9110, 7.8: a sender of `Upgrade` must list it in `Connection`.
        let has_upgrade = headers.contains_key(UPGRADE);
        let close = if has_upgrade {
            "close, upgrade"
        } else {
            "close"
        };
        headers.insert(CONNECTION, HeaderValue::from_static(close));
    }
}
