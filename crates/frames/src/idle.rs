//! Idle timeouts of the hops on the way: the known ones, and those that cut connections show.

use std::{collections::VecDeque, fmt, time::Duration};

/// A timer that cuts idle WebSockets by default, in a product that many connections pass.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gabion_frames::KnownTimer;
///
/// let timer = KnownTimer::near(Duration::from_millis(60_300)).unwrap();
/// assert!(timer.hops().contains("nginx (proxy_read_timeout)"));
/// assert!(timer.to_string().starts_with("60 s is the default of AWS ALB"));
/// assert!(KnownTimer::near(Duration::from_secs(42)).is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownTimer {
    idle: Duration,
    hops: &'static str,
}

/// Detects the timer that cuts idle WebSockets, from those that ended without a close frame.
///
/// A timer cuts after the same idle time whenever it cuts. A timeout is reported if
/// 1. three of the last eight cuts share its idle time;
/// 2. of the last four cuts, at most one has another idle time that it does not share with two
///    others;
/// 3. no such cut had a longer idle time, which would show that nothing cuts after the shorter one.
///
/// Two idle times are the same if they differ by at most 10 %, where that is between 150 ms and
/// 2 s. Cuts within the same tolerance of each other have one cause, and count once. If their idle
/// times differ, that cause is not a timer but, for example, a server that stops, and none of them
/// counts. Idle times below [`Self::MIN_IDLE`] do not count.
///
/// Times are durations since some start, the same for all calls.
///
/// # Cost
///
/// At most 600 bytes. A call compares eight idle times with each other.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use gabion_frames::IdleTimeouts;
///
/// let mut timeouts = IdleTimeouts::default();
/// let mut cut = |at, idle| timeouts.record_cut(Duration::from_secs(idle), Duration::from_secs(at));
/// assert_eq!(cut(100, 60), None);
/// assert_eq!(cut(170, 60), None);
/// let timeout = cut(240, 60).unwrap();
/// assert_eq!(timeout.idle(), Duration::from_secs(60));
/// assert_eq!(cut(310, 60), None, "reported once an hour");
/// ```
#[derive(Clone, Debug, Default)]
pub struct IdleTimeouts {
    /// The idle times of the latest cuts, the newest last.
    cuts: VecDeque<Duration>,
    /// The latest reports, the newest last.
    reported: VecDeque<Report>,
    last_cause: Option<Cause>,
}

/// An idle timeout that [`IdleTimeouts`] detected. Displayed as one clause for a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleTimeout {
    idle: Duration,
    /// The number of cuts after this idle time, among the latest `of`.
    cuts: usize,
    of: usize,
}

/// The cause of one cut, or of several at the same time.
#[derive(Clone, Copy, Debug)]
struct Cause {
    /// The time and the idle time of the first cut.
    at: Duration,
    idle: Duration,
    /// Set if the idle times of the cuts differ.
    is_outage: bool,
}

#[derive(Clone, Copy, Debug)]
struct Report {
    at: Duration,
    idle: Duration,
}

// === impl KnownTimer ===

impl KnownTimer {
    /// The known timers, the shortest first. The guide has the same table.
    pub const ALL: [Self; 8] = [
        Self::new(
            30,
            "Google Cloud load balancers (timeoutSec) and Jetty (idleTimeout)",
        ),
        Self::new(
            50,
            "HAProxy as packaged by Debian (timeout client, timeout server)",
        ),
        Self::new(55, "the Heroku router"),
        Self::new(
            60,
            "AWS ALB (idle_timeout.timeout_seconds), nginx (proxy_read_timeout), and Spring before \
             a first message (setTimeToFirstMessage)",
        ),
        Self::new(100, "Cloudflare"),
        Self::new(240, "Azure Load Balancer"),
        Self::new(300, "Envoy (stream_idle_timeout)"),
        Self::new(350, "AWS NLB and AWS NAT gateways"),
    ];

    const fn new(secs: u64, hops: &'static str) -> Self {
        Self {
            idle: Duration::from_secs(secs),
            hops,
        }
    }

    /// Returns the timer that probably cut a connection after `idle`.
    pub fn near(idle: Duration) -> Option<&'static Self> {
        const { &Self::ALL }
            .iter()
            .find(|timer| is_similar(timer.idle, idle))
    }

    /// The idle time after which it cuts, in whole seconds.
    pub const fn idle(&self) -> Duration {
        self.idle
    }

    /// The products with this default, each with its setting in parentheses.
    pub const fn hops(&self) -> &'static str {
        self.hops
    }
}

impl fmt::Display for KnownTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} s is the default of {}",
            self.idle.as_secs(),
            self.hops
        )
    }
}

// === impl IdleTimeouts ===

impl IdleTimeouts {
    /// The shortest idle time that counts: one second. A WebSocket with more frequent messages shows
    /// nothing by its last pause.
    pub const MIN_IDLE: Duration = Duration::from_secs(1);

    /// The number of cuts that are kept.
    const KEPT: usize = 8;

    /// The number of cuts that must share an idle time.
    const ALIKE: usize = 3;

    /// Of this many latest cuts, all but one must share their idle times with others.
    const LATEST: usize = 4;

    /// The interval after which the same timeout is reported again, and the number of reports that
    /// are kept for this.
    const REPORT_INTERVAL: Duration = Duration::from_hours(1);
    const KEPT_REPORTS: usize = 4;

    /// Records that a WebSocket ended now, without a close frame and after `idle` without traffic.
    /// Returns the timeout that cut it, if it is detected and was not reported within the last hour.
    pub fn record_cut(&mut self, idle: Duration, now: Duration) -> Option<IdleTimeout> {
        if idle < Self::MIN_IDLE || self.has_same_cause(idle, now) {
            return None;
        }
        push_bounded(&mut self.cuts, idle, Self::KEPT);
        let timeout = self.detect(idle)?;
        let is_recent = |report: &Report| {
            is_similar(report.idle, idle) && now < report.at.saturating_add(Self::REPORT_INTERVAL)
        };
        if self.reported.iter().any(is_recent) {
            return None;
        }
        let report = Report { at: now, idle };
        push_bounded(&mut self.reported, report, Self::KEPT_REPORTS);
        Some(timeout)
    }

    /// Returns `true` if a cut has the cause of the one before. Discards that one if their idle
    /// times differ.
    fn has_same_cause(&mut self, idle: Duration, now: Duration) -> bool {
        if let Some(cause) = &mut self.last_cause
            && now.saturating_sub(cause.at) <= tolerance(cause.idle.max(idle))
        {
            if !cause.is_outage && !is_similar(cause.idle, idle) {
                cause.is_outage = true;
                self.cuts.pop_back();
            }
            return true;
        }
        self.last_cause = Some(Cause {
            at: now,
            idle,
            is_outage: false,
        });
        false
    }

    /// Returns the timeout after `idle` if the kept cuts show it.
    fn detect(&self, idle: Duration) -> Option<IdleTimeout> {
        let alike = |idle: Duration| {
            let similar = self.cuts.iter().filter(|cut| is_similar(**cut, idle));
            similar.count()
        };
        let is_random = |cut: &&Duration| alike(**cut) < Self::ALIKE && !is_similar(**cut, idle);
        let latest = self.cuts.iter().rev().take(Self::LATEST);
        let outlasts = |cut: &Duration| *cut > idle;
        let timeout = IdleTimeout {
            idle,
            cuts: alike(idle),
            of: self.cuts.len(),
        };
        let is_shown = timeout.cuts >= Self::ALIKE
            && latest.filter(is_random).count() <= 1
            && !self.cuts.iter().filter(is_random).any(outlasts);
        is_shown.then_some(timeout)
    }
}

/// Appends to `queue`, and removes the oldest item beyond `limit`.
fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, limit: usize) {
    if queue.len() >= limit {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// The difference up to which idle times come from one timer: the clocks of both ends, the way
/// between them and the granularity of the timer add to it.
fn tolerance(idle: Duration) -> Duration {
    (idle / 10).clamp(Duration::from_millis(150), Duration::from_secs(2))
}

fn is_similar(one: Duration, other: Duration) -> bool {
    one.abs_diff(other) <= tolerance(one.max(other))
}

// === impl IdleTimeout ===

impl IdleTimeout {
    /// The idle time after which the latest WebSocket was cut.
    pub const fn idle(&self) -> Duration {
        self.idle
    }

    /// Returns `true` if the timer can expire between two pings at this interval.
    pub fn expires_within(&self, ping: Duration) -> bool {
        ping >= self.idle || is_similar(ping, self.idle)
    }
}

impl fmt::Display for IdleTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { idle, cuts, of } = self;
        write!(
            f,
            "{cuts} of the last {of} WebSockets without a close frame ended after {:.1} s without \
             traffic",
            idle.as_secs_f32()
        )?;
        match KnownTimer::near(*idle) {
            Some(timer) => write!(f, "; {timer}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn secs(secs: f64) -> Duration {
        Duration::from_secs_f64(secs)
    }

    /// The idle times that are reported after cuts at these times with these idle times, in
    /// seconds.
    fn reported(cuts: &[(f64, f64)]) -> Vec<f64> {
        let mut timeouts = IdleTimeouts::default();
        let reported = cuts
            .iter()
            .filter_map(|(at, idle)| timeouts.record_cut(secs(*idle), secs(*at)));
        reported.map(|timeout| timeout.idle.as_secs_f64()).collect()
    }

    /// The idle times that are reported after cuts with these idle times, a minute apart.
    fn reported_each_minute(idle_times: &[f64]) -> Vec<f64> {
        let minutes = (1..).map(|minute| f64::from(minute) * 60.0);
        let cuts: Vec<_> = minutes.zip(idle_times.iter().copied()).collect();
        reported(&cuts)
    }

    #[test]
    fn third_cut_after_one_idle_time_is_reported_once_an_hour() {
        assert_eq!(reported_each_minute(&[60.0, 60.01]), []);
        assert_eq!(reported_each_minute(&[60.0, 60.01, 59.99, 60.0]), [59.99]);
        assert_eq!(reported_each_minute(&[1.0, 1.1, 1.05]), [1.05]);
        assert_eq!(reported_each_minute(&[61.9, 58.1, 60.0]), [60.0]);
        assert_eq!(reported_each_minute(&[60.0; 70]), [60.0; 2]);
    }

    #[test]
    fn one_cut_of_four_may_have_another_cause() {
        assert_eq!(reported_each_minute(&[60.0, 13.0, 60.0, 60.0]), [60.0]);
        assert_eq!(reported_each_minute(&[5.0, 13.0, 60.0, 60.0, 60.0]), [60.0]);
        assert_eq!(reported_each_minute(&[60.0, 13.0, 7.0, 60.0, 60.0]), []);
    }

    #[test]
    fn cuts_after_random_idle_times_are_not_reported() {
        let random = [
            60.0, 7.0, 61.0, 240.0, 13.0, 0.9, 33.0, 62.0, 61.5, 4.0, 90.0,
        ];
        assert_eq!(reported_each_minute(&random), []);
        assert_eq!(reported_each_minute(&[20.0, 30.0, 40.0, 25.0]), []);
        assert_eq!(reported_each_minute(&[0.9; 8]), []);
    }

    #[test]
    fn longer_idle_time_excludes_a_shorter_timeout() {
        assert_eq!(reported_each_minute(&[300.0, 60.0, 60.0, 60.0, 60.0]), []);
        // Until eight later cuts have replaced it.
        let mut cuts = vec![60.0; 9];
        cuts[0] = 300.0;
        assert_eq!(reported_each_minute(&cuts), [60.0]);
    }

    #[test]
    fn several_timeouts_are_reported_separately() {
        let changed = [60.0, 60.0, 60.0, 100.0, 100.0, 100.0, 60.0];
        assert_eq!(reported_each_minute(&changed), [60.0, 100.0]);
        let alternating = [60.0, 300.0, 61.0, 301.0, 59.0, 300.5, 60.0, 300.0, 60.0];
        assert_eq!(reported_each_minute(&alternating), [300.5, 60.0]);
    }

    #[test]
    fn simultaneous_cuts_count_once() {
        let crowd: Vec<_> = (0..50).map(|nth| (f64::from(nth) / 100.0, 9.0)).collect();
        assert_eq!(reported(&crowd), []);
        // WebSockets that got the same last message, and end one after another.
        let broadcast: Vec<_> = (0..50)
            .map(|nth| f64::from(nth) / 4.0)
            .map(|at| (at, 20.0 + at))
            .collect();
        assert_eq!(reported(&broadcast), []);
        // Crowds of clients behind one timer.
        let crowds: Vec<_> = (0..30).map(|nth| (f64::from(nth) / 4.0, 60.0)).collect();
        assert_eq!(reported(&crowds), [60.0]);
    }

    #[test]
    fn simultaneous_cuts_with_different_idle_times_do_not_count() {
        let restart = [
            (0.0, 7.0),
            (0.0, 12.0),
            (0.1, 7.1),
            (0.1, 7.2),
            (1.5, 6.9),
            (3.0, 7.0),
        ];
        assert_eq!(reported(&restart), []);
        let twice_then_mixed = [(0.0, 7.0), (10.0, 7.0), (20.0, 12.0), (20.1, 7.0)];
        assert_eq!(reported(&twice_then_mixed), []);
        // The cut that was discarded does not exclude a shorter timeout.
        let later = [
            (0.0, 90.0),
            (1.0, 30.0),
            (9.0, 7.0),
            (19.0, 7.0),
            (29.0, 7.0),
        ];
        assert_eq!(reported(&later), [7.0]);
    }

    #[test]
    fn timeout_is_displayed_with_the_known_default() {
        let mut timeouts = IdleTimeouts::default();
        let mut displayed = |idle| {
            let cuts = (1..=3).map(|nth| (secs(idle), secs(idle + f64::from(nth) * 10.0)));
            let timeouts = cuts.filter_map(|(idle, at)| timeouts.record_cut(idle, at));
            timeouts
                .map(|timeout| timeout.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            displayed(2.94),
            ["3 of the last 3 WebSockets without a close frame ended after 2.9 s without traffic"]
        );
        assert_eq!(
            displayed(351.0),
            [
                "3 of the last 6 WebSockets without a close frame ended after 351.0 s without \
              traffic; 350 s is the default of AWS NLB and AWS NAT gateways"
            ]
        );
    }

    #[test]
    fn timer_can_expire_between_pings_that_are_not_shorter() {
        let timeout = IdleTimeout {
            idle: secs(60.0),
            cuts: 3,
            of: 3,
        };
        for (ping, expires) in [(25.0, false), (57.9, false), (58.1, true), (75.0, true)] {
            assert_eq!(timeout.expires_within(secs(ping)), expires, "{ping}");
        }
    }

    #[test]
    fn known_timers_are_recognized_by_their_idle_time() {
        for (idle, hop) in [
            (30.2, "Google Cloud"),
            (51.2, "HAProxy"),
            (54.2, "Heroku"),
            (60.4, "AWS ALB"),
            (59.1, "proxy_read_timeout"),
            (100.0, "Cloudflare"),
            (240.1, "Azure"),
            (301.0, "Envoy"),
            (350.9, "NAT gateway"),
            (42.0, ""),
            (57.5, ""),
            (1.0, ""),
        ] {
            let hops = KnownTimer::near(secs(idle)).map_or("", KnownTimer::hops);
            assert!(hops.contains(hop), "{idle}: {hops}");
            assert_eq!(hops.is_empty(), hop.is_empty(), "{idle}: {hops}");
        }
        let timers = KnownTimer::ALL.map(|timer| timer.idle);
        let are_distinct = |pair: &[Duration]| pair[0] < pair[1] && !is_similar(pair[0], pair[1]);
        assert!(timers.windows(2).all(are_distinct));
    }

    proptest! {
        /// A report needs as many cuts after its idle time as it names, and memory is bounded.
        #[test]
        fn report_follows_as_many_cuts_as_it_names(
            cuts in vec((0_u32..100, 1_u32..100), 0..200),
        ) {
            let (mut timeouts, mut now, mut seen) = (IdleTimeouts::default(), 0.0, Vec::new());
            for (wait, idle) in cuts {
                now += f64::from(wait) / 10.0;
                let idle = secs(f64::from(idle) / 4.0);
                seen.push(idle);
                if let Some(timeout) = timeouts.record_cut(idle, secs(now)) {
                    let alike = seen.iter().filter(|cut| is_similar(**cut, timeout.idle)).count();
                    prop_assert!((IdleTimeouts::ALIKE..=alike).contains(&timeout.cuts));
                    prop_assert!(timeout.cuts <= timeout.of);
                }
                prop_assert!(timeouts.cuts.len() <= IdleTimeouts::KEPT);
                prop_assert!(timeouts.reported.len() <= IdleTimeouts::KEPT_REPORTS);
            }
        }

        /// A timer that is exact to within its tolerance is reported at the third cut.
        #[test]
        fn timer_is_reported_at_the_third_cut(
            idle in 2_000_u64..1_000_000,
            late in vec(0_u64..150, 3),
        ) {
            let mut timeouts = IdleTimeouts::default();
            let mut reports = (1..).zip(late).map(|(nth, late): (u32, _)| {
                let idle = Duration::from_millis(idle + late);
                timeouts.record_cut(idle, idle.saturating_mul(nth))
            });
            prop_assert_eq!(reports.next(), Some(None));
            prop_assert_eq!(reports.next(), Some(None));
            prop_assert!(reports.next().flatten().is_some());
        }
    }
}
