//! Removal of headers that only a trusted proxy may write.

use std::sync::atomic::{AtomicU64, Ordering};

use gabion_core::{Claim, ClaimSet, ClientIp, PeerAddr, is_irregular_name};
use http::{HeaderMap, HeaderName};

use crate::event_sink::EventSink;

/// The claims that were removed so far. The first removal of each is reported: of each spelling that
/// the policy could list, for trusted and for other peers, and of each that it could not.
#[derive(Debug, Default)]
pub(super) struct RemovedClaims {
    of_trusted: AtomicU64,
    of_others: AtomicU64,
    disguised: AtomicU64,
}

// === impl RemovedClaims ===

impl RemovedClaims {
    /// Removes each [`Claim`] that `client`'s peer may not write, and reports the first removal of
    /// each.
    ///
    /// One of a trusted proxy stays if the policy lists it. A spelling such as `X_Real_IP` never does:
    /// no layer checked it, and CGI and WSGI servers read it as the real header.
    ///
    /// # Cost
    ///
    /// One [`Claim::of`] per header name; no allocation if there is nothing to remove.
    pub(super) fn remove_from(
        &self,
        headers: &mut HeaderMap,
        peer: PeerAddr,
        client: Option<&ClientIp>,
        event_sink: &EventSink,
    ) {
        let trusted = client.map_or(ClaimSet::EMPTY, ClientIp::trusted_claims);
        let untrusted = |header: &HeaderName| {
            let name = header.as_str();
            let claim = Claim::of(name)?;
            let is_trusted =
                trusted.contains(claim) && (name == claim.name() || !is_irregular_name(name));
            (!is_trusted).then(|| (header.clone(), claim))
        };
        let removed: Vec<_> = headers.keys().filter_map(untrusted).collect();
        for (name, claim) in removed {
            headers.remove(&name);
            let reported = if is_irregular_name(name.as_str()) {
                &self.disguised
            } else if client.is_some_and(ClientIp::via_trusted) {
                &self.of_trusted
            } else {
                &self.of_others
            };
            if is_first(reported, claim) {
                event_sink.record_removed_claim(peer, client, name.as_str(), claim);
            }
        }
    }
}

/// Adds `claim` to the set `reported`; `false` if it is in it.
fn is_first(reported: &AtomicU64, claim: Claim) -> bool {
    let bit = 1 << claim as u64;
    reported.load(Ordering::Relaxed) & bit == 0
        && reported.fetch_or(bit, Ordering::Relaxed) & bit == 0
}
