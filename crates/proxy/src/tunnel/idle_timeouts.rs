//! Detection of idle timeouts on the upstream's side, from the sockets that were closed by them.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The last [`Self::MAX_CUTS`] idle cuts, and the idle timeouts that were reported.
///
/// A cut is the end of a socket without a close frame.
#[derive(Debug, Default)]
pub(crate) struct IdleTimeouts(Mutex<History>);

#[derive(Debug, Default)]
struct History {
    cuts: VecDeque<Cut>,
    reported: VecDeque<Cut>,
    /// The time at which sockets of different idle times ended together.
    outage: Option<Instant>,
}

/// A socket that ended without a close frame after an idle time.
#[derive(Clone, Copy, Debug)]
struct Cut {
    idle: Duration,
    at: Instant,
}

/// An idle timeout that was detected: this many sockets ended after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FoundTimeout {
    idle: Duration,
    cuts: usize,
}

/// Known default idle timeouts, in seconds.
const KNOWN_TIMEOUTS: [(u64, &str); 7] = [
    (30, "the Google Cloud load balancer"),
    (50, "HAProxy (timeouts in its examples)"),
    (55, "the Heroku router"),
    (60, "nginx (proxy_read_timeout) and AWS ALB"),
    (100, "Cloudflare"),
    (300, "Envoy (stream_idle_timeout)"),
    (350, "AWS NLB and AWS NAT gateways"),
];

// === impl IdleTimeouts ===

impl IdleTimeouts {
    /// The most cuts that are kept.
    const MAX_CUTS: usize = 16;

    /// The most reported timeouts that are kept.
    const MAX_REPORTED: usize = 8;

    /// The number of cuts after the same idle time that proves a timeout.
    const MIN_CUTS: usize = 3;

    /// The shortest idle time that counts: a socket with more frequent messages proves nothing by
    /// its last pause.
    const MIN_IDLE: Duration = Duration::from_secs(1);

    /// Cuts within this time with different idle times have another cause.
    const SIMULTANEOUS: Duration = Duration::from_secs(2);

    /// The interval after which a reported timeout may be reported again.
    const REPORT_INTERVAL: Duration = Duration::from_hours(1);

    /// Records a socket that was cut after `idle`. Returns the idle timeout that caused it, if
    /// it is to be reported.
    pub(super) fn record(&self, idle: Duration, at: Instant) -> Option<FoundTimeout> {
        let mut history = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        history.record(Cut { idle, at })
    }
}

// === impl History ===

impl History {
    fn record(&mut self, cut: Cut) -> Option<FoundTimeout> {
        if cut.idle < IdleTimeouts::MIN_IDLE || self.is_outage(cut) {
            return None;
        }
        remember(&mut self.cuts, cut, IdleTimeouts::MAX_CUTS);
        let similar = self.cuts.iter().filter(|other| cut.is_similar(other));
        let timeout = FoundTimeout {
            idle: cut.idle,
            cuts: similar.count(),
        };
        let is_news = |reported: &Cut| {
            !reported.is_similar(&cut) || cut.at - reported.at >= IdleTimeouts::REPORT_INTERVAL
        };
        if timeout.cuts < IdleTimeouts::MIN_CUTS || !self.reported.iter().all(is_news) {
            return None;
        }
        remember(&mut self.reported, cut, IdleTimeouts::MAX_REPORTED);
        Some(timeout)
    }

    /// Returns `true` if sockets end because all are cut at once, as by a server that stops.
    fn is_outage(&mut self, cut: Cut) -> bool {
        let is_now = |at: Instant| cut.at.duration_since(at) < IdleTimeouts::SIMULTANEOUS;
        let differs = |other: &Cut| is_now(other.at) && !cut.is_similar(other);
        if self.outage.is_some_and(is_now) || self.cuts.iter().any(differs) {
            self.cuts.retain(|other| !is_now(other.at));
            self.outage = Some(cut.at);
            return true;
        }
        false
    }
}

fn remember(cuts: &mut VecDeque<Cut>, cut: Cut, limit: usize) {
    if cuts.len() == limit {
        cuts.pop_front();
    }
    cuts.push_back(cut);
}

// === impl Cut ===

impl Cut {
    /// Compares idle times: equal within 2 s or 5 %, whichever is more, and within 10 % for short
    /// ones.
    fn is_similar(&self, other: &Self) -> bool {
        let longer = self.idle.max(other.idle);
        let within = (longer / 20).max(Duration::from_secs(2).min(longer / 10));
        self.idle.abs_diff(other.idle) <= within
    }
}

// === impl FoundTimeout ===

impl fmt::Display for FoundTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { idle, cuts } = self;
        write!(
            f,
            "{cuts} sockets ended without a close frame after {:.1} s without traffic",
            idle.as_secs_f32()
        )?;
        let known = KNOWN_TIMEOUTS
            .into_iter()
            .min_by_key(|(secs, _)| idle.abs_diff(Duration::from_secs(*secs)))
            .filter(|(secs, _)| idle.abs_diff(Duration::from_secs(*secs)) <= *idle / 20);
        match known {
            Some((secs, product)) => write!(f, "; {secs} s is the default of {product}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: f32) -> Duration {
        Duration::from_secs_f32(secs)
    }

    /// The reports after cuts at these times (since the first) with these idle times, in seconds.
    fn reported(cuts: &[(f32, f32)]) -> Vec<String> {
        let (idle_timeouts, start) = (IdleTimeouts::default(), Instant::now());
        let reported = cuts
            .iter()
            .filter_map(|(at, idle)| idle_timeouts.record(secs(*idle), start + secs(*at)));
        reported.map(|timeout| timeout.to_string()).collect()
    }

    #[test]
    fn third_cut_after_one_idle_time_is_reported_once_an_hour() {
        let cut = |at| (at, 60.0 + at / 1_000.0);
        let words = "3 sockets ended without a close frame after 60.2 s without traffic; 60 s is \
                     the default of nginx (proxy_read_timeout) and AWS ALB";
        assert_eq!(reported(&[cut(0.0), cut(100.0)]), [""; 0]);
        assert_eq!(
            reported(&[cut(0.0), cut(100.0), cut(200.0), cut(300.0)]),
            [words]
        );
        let later = [
            (0.0, 3.0),
            (5.0, 3.1),
            (10.0, 2.9),
            (3_600.0, 3.0),
            (3_611.0, 3.0),
        ];
        let reported = reported(&later);
        assert_eq!(reported.len(), 2, "{reported:?}");
        assert_eq!(
            reported[0],
            "3 sockets ended without a close frame after 2.9 s without traffic"
        );
    }

    #[test]
    fn simultaneous_cuts_prove_a_timeout_only_with_equal_idle_times() {
        assert_eq!(reported(&[(0.0, 30.0), (0.0, 30.1), (0.1, 29.9)]).len(), 1);
        // A server that restarts cuts all its sockets.
        let restart = [
            (0.0, 7.0),
            (0.0, 12.0),
            (0.1, 7.1),
            (0.1, 7.2),
            (1.0, 6.9),
            (2.5, 7.0),
        ];
        assert_eq!(reported(&restart), [""; 0]);
    }

    #[test]
    fn cuts_after_different_idle_times_prove_nothing() {
        assert_eq!(
            reported(&[(0.0, 20.0), (10.0, 30.0), (20.0, 40.0), (30.0, 25.0)]),
            [""; 0]
        );
        assert_eq!(reported(&[(0.0, 0.9), (10.0, 0.9), (20.0, 0.9)]), [""; 0]);
        assert_eq!(reported(&[(0.0, 3.0), (10.0, 4.0), (20.0, 5.0)]), [""; 0]);
    }

    #[test]
    fn two_timeouts_are_reported_separately() {
        let both = [
            (0.0, 60.0),
            (10.0, 300.0),
            (20.0, 61.0),
            (30.0, 301.0),
            (40.0, 59.0),
            (50.0, 290.0),
        ];
        let reported = reported(&both);
        assert_eq!(reported.len(), 2, "{reported:?}");
        assert!(
            reported[0].contains("nginx") && reported[1].contains("Envoy"),
            "{reported:?}"
        );
    }

    #[test]
    fn memory_is_bounded() {
        let idle_timeouts = IdleTimeouts::default();
        let start = Instant::now();
        for nth in 0..1_000 {
            let at = start + Duration::from_secs(10 * nth);
            idle_timeouts.record(Duration::from_secs(1 + nth % 100), at);
            for _ in 0..3 {
                idle_timeouts.record(
                    Duration::from_secs(1_000 + 100 * nth),
                    at + IdleTimeouts::SIMULTANEOUS,
                );
            }
        }
        let history = idle_timeouts.0.into_inner().unwrap();
        assert_eq!(history.cuts.len(), IdleTimeouts::MAX_CUTS);
        assert_eq!(history.reported.len(), IdleTimeouts::MAX_REPORTED);
    }
}
