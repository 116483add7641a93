//! After what silence something behind cuts sockets, learned from those that it cut.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// What is known of the timers behind: of the last [`Self::MAX_CUTS`] cuts, and of what was told.
#[derive(Debug, Default)]
pub(crate) struct IdleTimeouts(Mutex<History>);

#[derive(Debug, Default)]
struct History {
    cuts: VecDeque<Cut>,
    reported: VecDeque<Cut>,
    /// When sockets ended together that had been silent for different times.
    outage: Option<Instant>,
}

/// A socket that ended without a close after a silence.
#[derive(Clone, Copy, Debug)]
struct Cut {
    silence: Duration,
    at: Instant,
}

/// A timer that was found: so many sockets were cut after this silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FoundTimeout {
    silence: Duration,
    cuts: usize,
}

/// What is known to cut after so many seconds, where nobody has set it otherwise.
const KNOWN_TIMEOUTS: [(u64, &str); 7] = [
    (30, "Google Cloud's load balancer"),
    (50, "HAProxy, as its examples are set"),
    (55, "Heroku's router"),
    (60, "nginx (proxy_read_timeout), or an AWS ALB"),
    (100, "Cloudflare"),
    (300, "Envoy (stream_idle_timeout)"),
    (350, "an AWS NLB or NAT gateway"),
];

// === impl IdleTimeouts ===

impl IdleTimeouts {
    /// How many cuts are remembered.
    const MAX_CUTS: usize = 16;

    /// How many timers that were told are remembered.
    const MAX_REPORTED: usize = 8;

    /// So many sockets that were silent for the same time are no chance.
    const MIN_CUTS: usize = 3;

    /// Sockets that speak so often prove nothing by what they had not said when they ended.
    const MIN_SILENCE: Duration = Duration::from_secs(1);

    /// What ends together with others ended by something else than its silence.
    const SIMULTANEOUS: Duration = Duration::from_secs(2);

    /// A timer that was told is not told again before.
    const REPORT_INTERVAL: Duration = Duration::from_hours(1);

    /// A socket was cut after `silence`; the timer that did it, where that is news.
    pub(super) fn record(&self, silence: Duration, at: Instant) -> Option<FoundTimeout> {
        let mut history = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        history.record(Cut { silence, at })
    }
}

// === impl History ===

impl History {
    fn record(&mut self, cut: Cut) -> Option<FoundTimeout> {
        if cut.silence < IdleTimeouts::MIN_SILENCE || self.is_outage(cut) {
            return None;
        }
        remember(&mut self.cuts, cut, IdleTimeouts::MAX_CUTS);
        let similar = self.cuts.iter().filter(|other| cut.is_similar(other));
        let timer = FoundTimeout {
            silence: cut.silence,
            cuts: similar.count(),
        };
        let is_news = |reported: &Cut| {
            !reported.is_similar(&cut) || cut.at - reported.at >= IdleTimeouts::REPORT_INTERVAL
        };
        if timer.cuts < IdleTimeouts::MIN_CUTS || !self.reported.iter().all(is_news) {
            return None;
        }
        remember(&mut self.reported, cut, IdleTimeouts::MAX_REPORTED);
        Some(timer)
    }

    /// Whether sockets end for all being cut at once, as by a server that stops.
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
    /// Within 2 s or 5 %, whichever is more; of short times within a tenth.
    fn is_similar(&self, other: &Self) -> bool {
        let longer = self.silence.max(other.silence);
        let within = (longer / 20).max(Duration::from_secs(2).min(longer / 10));
        self.silence.abs_diff(other.silence) <= within
    }
}

// === impl FoundTimeout ===

impl fmt::Display for FoundTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { silence, cuts } = self;
        write!(
            f,
            "{cuts} sockets ended without a close after {:.1} s of silence",
            silence.as_secs_f32()
        )?;
        let known = KNOWN_TIMEOUTS
            .into_iter()
            .min_by_key(|(secs, _)| silence.abs_diff(Duration::from_secs(*secs)))
            .filter(|(secs, _)| silence.abs_diff(Duration::from_secs(*secs)) <= *silence / 20);
        match known {
            Some((secs, product)) => write!(f, ": {secs} s are those of {product}"),
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

    /// What is told of these cuts, each so long after the first, and after this silence.
    fn reported(cuts: &[(f32, f32)]) -> Vec<String> {
        let (idle_timeouts, start) = (IdleTimeouts::default(), Instant::now());
        let reported = cuts
            .iter()
            .filter_map(|(at, silence)| idle_timeouts.record(secs(*silence), start + secs(*at)));
        reported.map(|timer| timer.to_string()).collect()
    }

    #[test]
    fn third_cut_after_the_same_silence_is_told_once_an_hour() {
        let cut = |at| (at, 60.0 + at / 1_000.0);
        let words = "3 sockets ended without a close after 60.2 s of silence: 60 s are those of \
                     nginx (proxy_read_timeout), or an AWS ALB";
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
            "3 sockets ended without a close after 2.9 s of silence"
        );
    }

    #[test]
    fn sockets_that_time_out_together_prove_a_timer_and_those_that_are_cut_together_do_not() {
        assert_eq!(reported(&[(0.0, 30.0), (0.0, 30.1), (0.1, 29.9)]).len(), 1);
        // A server that stops cuts all that it has, and starts again.
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
    fn cuts_that_differ_prove_nothing() {
        assert_eq!(
            reported(&[(0.0, 20.0), (10.0, 30.0), (20.0, 40.0), (30.0, 25.0)]),
            [""; 0]
        );
        assert_eq!(reported(&[(0.0, 0.9), (10.0, 0.9), (20.0, 0.9)]), [""; 0]);
        assert_eq!(reported(&[(0.0, 3.0), (10.0, 4.0), (20.0, 5.0)]), [""; 0]);
    }

    #[test]
    fn another_timer_is_told_by_itself() {
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
    fn no_more_is_remembered_than_there_is_room_for() {
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
