//! Detection of idle timeouts of hops in front.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The idle times of WebSockets that ended without a close frame, by peer. A hop with an idle
/// timeout cuts all its idle connections after the same time.
///
/// # Cost
///
/// A lock when a WebSocket ends without a close frame. At most [`Self::PEERS`] peers are kept, at
/// about 200 bytes each.
#[derive(Default)]
pub(crate) struct IdleTimeouts(Mutex<BTreeMap<IpAddr, Peer>>);

#[derive(Default)]
struct Peer {
    /// The idle times of the latest cuts, the newest last.
    cuts: Vec<Duration>,
    /// The time of the latest cut.
    at: Duration,
    /// The idle time that was last reported, and the time of the report.
    reported: Option<(Duration, Duration)>,
}

/// An idle timeout that was detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DetectedTimeout {
    pub(crate) idle: Duration,
    /// The number of the latest cuts that share this idle time.
    pub(crate) cuts: usize,
}

// === impl IdleTimeouts ===

impl IdleTimeouts {
    /// The maximum number of peers. The one with the oldest cut is removed for a new one.
    pub(crate) const PEERS: usize = 1024;

    /// The number of cuts kept per peer. A timeout is reported only if no kept cut has a longer
    /// idle time.
    const KEPT: usize = 8;

    /// `ALIKE` of the `LATEST` cuts must share one idle time before it is reported.
    pub(crate) const LATEST: usize = 4;
    const ALIKE: usize = 3;

    /// The shortest idle time that counts. No hop has a shorter timeout.
    const MIN_IDLE: Duration = Duration::from_millis(500);

    /// WebSockets that end within this time of each other have another cause, such as a client that
    /// was stopped.
    const SIMULTANEOUS: Duration = Duration::from_millis(250);

    /// The interval after which the same idle time is reported again.
    const REPORT_INTERVAL: Duration = Duration::from_hours(1);

    /// Records that a WebSocket from `peer` was cut now, after `idle`. Returns a timeout to report,
    /// if any.
    pub(crate) fn record_cut(
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

    /// Returns the idle time that `ALIKE` of the `LATEST` cuts share, if no kept cut has a longer
    /// one.
    fn detect(&self, idle: Duration) -> Option<DetectedTimeout> {
        let latest = self.cuts.iter().rev().take(IdleTimeouts::LATEST);
        let cuts = latest.filter(|cut| is_similar(**cut, idle)).count();
        let longest = self.cuts.iter().max()?;
        let holds = cuts >= IdleTimeouts::ALIKE && is_similar(*longest, idle);
        holds.then_some(DetectedTimeout { idle, cuts })
    }
}

/// Returns `true` if two idle times come from one timer: they differ by at most 5 %, with
/// a tolerance of at least 150 ms and at most 2 s.
pub(crate) fn is_similar(one: Duration, other: Duration) -> bool {
    let slack = (one / 20).clamp(Duration::from_millis(150), Duration::from_secs(2));
    one.abs_diff(other) <= slack
}

/// Known default idle timeouts, in seconds.
const KNOWN_TIMEOUTS: [(u64, &str); 8] = [
    (30, "the Google Cloud load balancer"),
    (50, "HAProxy (timeouts in its examples)"),
    (55, "the Heroku router"),
    (60, "nginx (proxy_read_timeout) and AWS ALB"),
    (100, "Cloudflare"),
    (240, "Azure load balancers"),
    (300, "Envoy (stream_idle_timeout)"),
    (350, "AWS NLB and AWS NAT gateways"),
];

/// Returns the end of a sentence about `idle` that names the products with this default, or an
/// empty string if none is known.
pub(crate) fn known_timeout(idle: Duration) -> String {
    let is_near = |(secs, _): &&(u64, &str)| is_similar(Duration::from_secs(*secs), idle);
    match KNOWN_TIMEOUTS.iter().find(is_near) {
        Some((secs, product)) => format!("; {secs} s is the default of {product}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Records cuts after these idle times, a minute apart.
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
    fn third_cut_after_the_same_idle_time_is_reported_once() {
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
    fn another_idle_time_is_reported_and_the_same_again_after_an_hour() {
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
    fn cuts_after_random_idle_times_are_not_reported() {
        let any = [
            60_000, 7_000, 61_000, 240_000, 13_000, 900, 33_000, 62_000, 61_500, 4_000,
        ];
        assert_eq!(record_cut(&any).iter().flatten().count(), 0);
        // A connection that survived a longer idle time proves that no hop has a shorter timeout.
        let shorter = [300_000, 60_000, 60_000, 60_000, 60_000];
        assert_eq!(record_cut(&shorter).iter().flatten().count(), 0);
        assert_eq!(record_cut(&[400; 8]).iter().flatten().count(), 0);
    }

    #[test]
    fn simultaneous_cuts_count_once() {
        let table = IdleTimeouts::default();
        let at = |nth: u64| table.record_cut(PEER, millis(9_000), millis(100_000 + nth * 10));
        assert!((0..50).all(|nth| at(nth).is_none()));
    }

    #[test]
    fn table_of_peers_is_bounded() {
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
    fn products_are_known_by_their_default_timeout() {
        assert!(known_timeout(millis(60_010)).contains("nginx"));
        assert!(known_timeout(millis(351_000)).contains("NLB"));
        assert_eq!(known_timeout(millis(1_000)), "");
    }
}
