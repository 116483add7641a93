//! Detection of idle timeouts of hops in front, for each peer.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use gabion_frames::{IdleTimeout, IdleTimeouts};

/// The [`IdleTimeouts`] of each peer: a load balancer or proxy in front, or a client.
///
/// # Cost
///
/// A lock when a WebSocket ends without a close frame. At most [`Self::PEERS`] peers are kept, at
/// about 600 bytes each.
#[derive(Default)]
pub(crate) struct PeerIdleTimeouts(Mutex<BTreeMap<IpAddr, Peer>>);

#[derive(Default)]
struct Peer {
    idle_timeouts: IdleTimeouts,
    latest_cut: Duration,
}

// === impl PeerIdleTimeouts ===

impl PeerIdleTimeouts {
    /// The maximum number of peers. The one with the oldest cut is removed for a new one.
    pub(crate) const PEERS: usize = 1024;

    /// Records that a WebSocket from `peer` was cut now, after `idle`. Returns a timeout to report,
    /// if any.
    pub(crate) fn record_cut(
        &self,
        peer: IpAddr,
        idle: Duration,
        now: Duration,
    ) -> Option<IdleTimeout> {
        if idle < IdleTimeouts::MIN_IDLE {
            return None;
        }
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= Self::PEERS && !peers.contains_key(&peer) {
            let oldest = peers.iter().min_by_key(|(_, peer)| peer.latest_cut);
            let oldest = oldest.map(|(addr, _)| *addr);
            oldest.and_then(|addr| peers.remove(&addr));
        }
        let peer = peers.entry(peer).or_default();
        peer.latest_cut = now;
        peer.idle_timeouts.record_cut(idle, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(
        timeouts: &PeerIdleTimeouts,
        peer: impl Into<IpAddr>,
        minute: u64,
    ) -> Option<IdleTimeout> {
        timeouts.record_cut(
            peer.into(),
            Duration::from_mins(1),
            Duration::from_mins(minute),
        )
    }

    #[test]
    fn each_peer_has_its_own_timeouts() {
        let timeouts = PeerIdleTimeouts::default();
        let reports = (1..=6).map(|minute| {
            let last_octet = u8::try_from(minute % 2).unwrap();
            cut(&timeouts, [10, 0, 0, last_octet], minute).is_some()
        });
        assert_eq!(
            reports.collect::<Vec<_>>(),
            [false, false, false, false, true, true]
        );
    }

    #[test]
    fn cut_that_does_not_count_takes_no_room() {
        let timeouts = PeerIdleTimeouts::default();
        let short = Duration::from_millis(999);
        timeouts.record_cut([10, 0, 0, 1].into(), short, Duration::from_mins(1));
        assert!(timeouts.0.lock().unwrap().is_empty());
    }

    #[test]
    fn table_of_peers_is_bounded() {
        let timeouts = PeerIdleTimeouts::default();
        let many = u32::try_from(3 * PeerIdleTimeouts::PEERS).unwrap();
        for nth in 0..many {
            cut(&timeouts, nth.to_be_bytes(), u64::from(nth));
        }
        let peers = timeouts.0.lock().unwrap();
        assert_eq!(peers.len(), PeerIdleTimeouts::PEERS);
        let newest = (many - 1).to_be_bytes();
        assert!(peers.contains_key(&IpAddr::from(newest)));
    }
}
