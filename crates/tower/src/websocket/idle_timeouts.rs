//! Learning after how much silence something in front cuts sockets.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The sockets that ended without a close frame, by the peer that they came from: whoever gives up
/// what is silent does so after the same time, again and again.
///
/// # Cost
///
/// A lock, when a socket ends like that. At most [`Self::PEERS`] peers are remembered, at some 200
/// bytes each.
#[derive(Default)]
pub(super) struct IdleTimeouts(Mutex<BTreeMap<IpAddr, Peer>>);

#[derive(Default)]
struct Peer {
    /// How long the latest were silent, the newest last.
    cuts: Vec<Duration>,
    /// When the latest ended.
    at: Duration,
    /// What was told, and when.
    reported: Option<(Duration, Duration)>,
}

/// A time that somebody gives up after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DetectedTimeout {
    pub(super) idle: Duration,
    /// How many of the latest ended after it.
    pub(super) cuts: usize,
}

// === impl Silences ===

impl IdleTimeouts {
    /// How many peers are remembered; the one that was quiet for longest gives way.
    pub(super) const PEERS: usize = 1024;

    /// How many cuts of a peer are remembered. None of them came after a longer silence.
    const KEPT: usize = 8;

    /// Of so many latest, so many came after the same silence.
    pub(super) const LATEST: usize = 4;
    const ALIKE: usize = 3;

    /// Nobody gives up so soon.
    const MIN_IDLE: Duration = Duration::from_millis(500);

    /// Sockets that end together end for another reason, such as a client that was stopped.
    const SIMULTANEOUS: Duration = Duration::from_millis(250);

    /// How often the same is told.
    const REPORT_INTERVAL: Duration = Duration::from_hours(1);

    /// A socket from `peer` ended now, after so much silence. What there is to tell.
    pub(super) fn record_cut(
        &self,
        peer: IpAddr,
        idle: Duration,
        now: Duration,
    ) -> Option<DetectedTimeout> {
        if idle < Self::MIN_IDLE {
            return None;
        }
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= Self::PEERS && !peers.contains_key(&peer) {
            let oldest = peers.iter().min_by_key(|(_, peer)| peer.at);
            let oldest = oldest.map(|(addr, _)| *addr);
            oldest.and_then(|addr| peers.remove(&addr));
        }
        peers.entry(peer).or_default().record_cut(idle, now)
    }
}

// === impl Peer ===

impl Peer {
    fn record_cut(&mut self, idle: Duration, now: Duration) -> Option<DetectedTimeout> {
        let is_simultaneous =
            !self.cuts.is_empty() && now < self.at.saturating_add(IdleTimeouts::SIMULTANEOUS);
        self.at = now;
        if is_simultaneous {
            return None;
        }
        if self.cuts.len() >= IdleTimeouts::KEPT {
            self.cuts.remove(0);
        }
        self.cuts.push(idle);
        let detected = self.detect(idle)?;
        let is_reported = self.reported.is_some_and(|(reported, at)| {
            is_similar(reported, detected.idle)
                && now < at.saturating_add(IdleTimeouts::REPORT_INTERVAL)
        });
        if is_reported {
            return None;
        }
        self.reported = Some((detected.idle, now));
        Some(detected)
    }

    /// The silence that several of the latest came after, and none after a longer one.
    fn detect(&self, idle: Duration) -> Option<DetectedTimeout> {
        let latest = self.cuts.iter().rev().take(IdleTimeouts::LATEST);
        let cuts = latest.filter(|cut| is_similar(**cut, idle)).count();
        let longest = self.cuts.iter().max()?;
        let holds = cuts >= IdleTimeouts::ALIKE && is_similar(*longest, idle);
        holds.then_some(DetectedTimeout { idle, cuts })
    }
}

/// Whether two silences are one: timers of others are as exact as that.
pub(super) fn is_similar(one: Duration, other: Duration) -> bool {
    let slack = (one / 20).clamp(Duration::from_millis(150), Duration::from_secs(2));
    one.abs_diff(other) <= slack
}

/// Who gives up after so long.
pub(super) fn known_timeout(idle: Duration) -> &'static str {
    const KNOWN_TIMEOUTS: [(u64, &str); 8] = [
        (30, "the timeout of Google's load balancers"),
        (
            50,
            "what HAProxy's examples wait (timeout client, timeout tunnel)",
        ),
        (55, "what Heroku's router waits"),
        (60, "what nginx waits (proxy_read_timeout), and AWS ALB"),
        (100, "what Cloudflare waits"),
        (240, "what Azure's load balancers wait"),
        (300, "what Envoy waits (stream_idle_timeout)"),
        (350, "what AWS NLB and NAT gateways wait"),
    ];
    let near = |(secs, _): &&(u64, &str)| is_similar(Duration::from_secs(*secs), idle);
    KNOWN_TIMEOUTS.iter().find(near).map_or(
        "a timeout of no hop that is known for it",
        |(_, known_timeout)| known_timeout,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Learns of cuts after these silences, each a minute after the other.
    fn record_cut(idle_timeouts: &[u64]) -> Vec<Option<u64>> {
        let table = IdleTimeouts::default();
        let cuts = idle_timeouts.iter().zip(1..);
        cuts.map(|(idle, minute)| {
            let detected = table.record_cut(PEER, millis(*idle), Duration::from_mins(minute));
            detected.map(|detected| u64::try_from(detected.idle.as_millis()).unwrap())
        })
        .collect()
    }

    #[test]
    fn third_cut_after_the_same_silence_is_told_once() {
        assert_eq!(
            record_cut(&[60_000, 60_010, 59_990, 60_000]),
            [None, None, Some(59_990), None]
        );
        assert_eq!(
            record_cut(&[60_000, 13_000, 60_010, 60_020]).last(),
            Some(&Some(60_020))
        );
        assert_eq!(
            record_cut(&[1_000, 1_100, 1_050]).last(),
            Some(&Some(1_050))
        );
    }

    #[test]
    fn another_time_is_told_and_the_same_an_hour_later() {
        let mut cuts = vec![60_000; 3];
        cuts.extend([100_000; 3]);
        assert_eq!(
            record_cut(&cuts)[2..],
            [Some(60_000), None, None, Some(100_000)]
        );
        let again = record_cut(&[60_000; 70]).iter().flatten().count();
        assert_eq!(again, 2);
    }

    #[test]
    fn cuts_at_any_time_are_not_told() {
        let any = [
            60_000, 7_000, 61_000, 240_000, 13_000, 900, 33_000, 62_000, 61_500, 4_000,
        ];
        assert_eq!(record_cut(&any).iter().flatten().count(), 0);
        // Who was silent for longer and lived proves that nobody cuts sooner.
        let shorter = [300_000, 60_000, 60_000, 60_000, 60_000];
        assert_eq!(record_cut(&shorter).iter().flatten().count(), 0);
        assert_eq!(record_cut(&[400; 8]).iter().flatten().count(), 0);
    }

    #[test]
    fn sockets_that_end_together_are_one() {
        let table = IdleTimeouts::default();
        let at = |nth: u64| table.record_cut(PEER, millis(9_000), millis(100_000 + nth * 10));
        assert!((0..50).all(|nth| at(nth).is_none()));
    }

    #[test]
    fn table_holds_so_many_peers() {
        let table = IdleTimeouts::default();
        let many = u32::try_from(3 * IdleTimeouts::PEERS).unwrap();
        for nth in 0..many {
            let peer = IpAddr::from(nth.to_be_bytes());
            table.record_cut(peer, millis(60_000), Duration::from_secs(u64::from(nth)));
        }
        assert_eq!(table.0.lock().unwrap().len(), IdleTimeouts::PEERS);
        let newest = many - 1;
        assert!(
            table
                .0
                .lock()
                .unwrap()
                .contains_key(&IpAddr::from(newest.to_be_bytes()))
        );
    }

    #[test]
    fn owners_are_known_by_their_time() {
        assert!(known_timeout(millis(60_010)).contains("nginx"));
        assert!(known_timeout(millis(351_000)).contains("NLB"));
        assert!(known_timeout(millis(1_000)).contains("no hop that is known"));
    }
}
