//! Counts of requests and events, by the `metrics` facade.

mod before_bounded;
mod description;
mod labels;
mod requests;
mod rules;

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use gabion_core::{
    BanEvent, Event, Judgment, Meter, Mode, PolicyEvent, RequestEvent, RequestEventKind, RuleId,
    SessionEvent, Sink, StoreEvent,
};
use metrics::{Counter, Histogram, SharedString, counter, histogram};

pub use description::{MetricDescription, MetricKind};
use requests::RequestCounts;
use rules::RuleLabels;

/// A sink and a meter that count what a guard does: requests by result, verdicts by rule, action and mode,
/// and every other kind of event. [`Self::DESCRIPTIONS`] lists the metrics.
///
/// Counts go to the recorder of the `metrics` crate that is installed for the process, so that any exporter
/// works, for Prometheus or for another system. Install it before [`Self::new`], which registers the metrics.
///
/// No label has a value from a client: values are names of this crate, status codes that a proxy chose, and
/// ids of rules. Of more than [`Self::MAX_RULES`] ids, which reloads of a policy can bring, further ones share
/// the value [`Self::OTHER_RULES`].
///
/// A sink that limits events ([`Bounded`](crate::Bounded)) must come after this one: see
/// [`Self::before_bounded`].
///
/// # Cost
///
/// A request: one atomic addition, on a cache line that few threads share. The time of one request in
/// [`Self::TIMED`] is measured. An event takes a lock for reading, and a lookup in the recorder.
///
/// # Examples
///
/// ```
/// use gabion_core::{Event, Judgment, Meter, Sink};
/// use gabion_sinks::Metrics;
///
/// // Without a recorder, nothing is counted.
/// let metrics = Metrics::new();
/// metrics.count(Judgment::Passed);
/// metrics.record(&Event::Setup("set a sink"));
/// metrics.publish();
/// assert!(Metrics::DESCRIPTIONS.iter().any(|metric| metric.name == "gabion_requests_total"));
/// ```
pub struct Metrics {
    requests: RequestCounts,
    /// By [`Judgment`].
    published: [Counter; Judgment::ALL.len()],
    /// By [`Judgment`].
    added: [Histogram; Judgment::ALL.len()],
    rules: RuleLabels,
}

// === impl Metrics ===

impl Metrics {
    /// The number of requests of a thread of which one is timed.
    pub const TIMED: u32 = 64;

    /// The maximum number of ids of rules that are distinguished.
    pub const MAX_RULES: usize = 1_000;

    /// The label of the rules beyond [`Self::MAX_RULES`]. No rule can have this id.
    pub const OTHER_RULES: &'static str = "(other)";

    /// The upper bounds of the buckets for the time that is added to a request, in seconds.
    pub const BUCKETS: [f64; 12] = [
        1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 1e-2, 1e-1,
    ];

    /// Registers the metrics with the recorder of the process.
    pub fn new() -> Self {
        description::describe();
        let outcome = Judgment::ALL.map(Judgment::name);
        Self {
            requests: RequestCounts::default(),
            published: outcome.map(|name| counter!("gabion_requests_total", "outcome" => name)),
            added: outcome.map(|name| histogram!("gabion_added_seconds", "outcome" => name)),
            rules: RuleLabels::default(),
        }
    }

    /// Passes the counts of requests to the recorder. Called by [`Sink::flush`], and by an exporter before
    /// it writes the metrics.
    pub fn publish(&self) {
        for (counter, count) in self.published.iter().zip(self.requests.sums()) {
            counter.absolute(count);
        }
    }

    fn record_request(&self, event: &RequestEvent) {
        match &event.kind {
            RequestEventKind::Allowed(cause) => {
                self.count_verdict(&cause.rule, "allow", Mode::Enforce);
            }
            RequestEventKind::Denied(denial) => {
                self.count_verdict(&denial.cause.rule, "deny", denial.mode);
                if let Some(diagnosis) = denial.diagnosis {
                    counter!("gabion_websocket_diagnoses_total", "code" => diagnosis.code())
                        .increment(1);
                }
            }
            RequestEventKind::Fault(_) => counter!("gabion_panics_total").increment(1),
            _ => {}
        }
    }

    fn record_ban(&self, event: &BanEvent) {
        let rule = self.rules.label(&event.offense.rule);
        let change = labels::ban_change(&event.change);
        counter!("gabion_bans_total", "rule" => rule, "change" => change).increment(1);
    }

    fn record_session(&self, event: &SessionEvent) {
        let (kind, mode) = (labels::session_kind(event.kind), labels::mode(event.mode));
        let (reason, rule) = labels::close_reason(&event.ending);
        counter!("gabion_sessions_closed_total", "kind" => kind, "reason" => reason, "mode" => mode)
            .increment(1);
        if let Some(rule) = rule {
            self.count_verdict(rule, "close", event.mode);
        }
    }

    fn count_verdict(&self, rule: &RuleId, action: &'static str, mode: Mode) {
        let rule: SharedString = self.rules.label(rule);
        let mode = labels::mode(mode);
        counter!("gabion_verdicts_total", "rule" => rule, "action" => action, "mode" => mode)
            .increment(1);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Sink for Metrics {
    fn record(&self, event: &Event) {
        match event {
            Event::Request(event) => self.record_request(event),
            Event::Ban(event) => self.record_ban(event),
            Event::Session(event) => self.record_session(event),
            Event::Audit(event) => {
                let action = labels::audit_action(event.action);
                counter!("gabion_operator_actions_total", "action" => action).increment(1);
            }
            Event::Policy(event) => record_policy(event),
            Event::Fault(_) => counter!("gabion_panics_total").increment(1),
            Event::ProbeHit(event) => {
                let rule = self.rules.label(&event.cause.rule);
                counter!("gabion_probe_hits_total", "rule" => rule).increment(1);
            }
            Event::Diagnosis(event) => {
                let code = event.diagnosis.code();
                counter!("gabion_websocket_diagnoses_total", "code" => code).increment(1);
            }
            Event::Unparsable(_) => counter!("gabion_unparsable_requests_total").increment(1),
            Event::ConnectionRefused(event) => {
                let limit = labels::connection_limit(event.limit);
                counter!("gabion_connections_refused_total", "limit" => limit).increment(1);
            }
            Event::ProxyFailure(event) => {
                let status = event.status.as_str().to_owned();
                counter!("gabion_proxy_failures_total", "status" => status).increment(1);
            }
            Event::Store(event) => record_store(event),
            Event::Log(event) => {
                let change = labels::log_change(&event.change);
                counter!("gabion_log_events_total", "change" => change).increment(1);
            }
            Event::Upstream(event) => {
                let state = event.new.name();
                counter!("gabion_upstream_changes_total", "state" => state).increment(1);
            }
            Event::UntrustedProxy(_) => count_setup("untrusted-proxy"),
            Event::ClaimRemoved(_) => count_setup("claim-removed"),
            Event::Setup(_) => count_setup("setup"),
            Event::Suppressed(suppressed) => {
                counter!("gabion_events_suppressed_total").increment(suppressed.events);
            }
            _ => {}
        }
    }

    fn flush(&self, _: SystemTime) {
        self.publish();
    }
}

impl Meter for Metrics {
    #[inline]
    fn is_timed(&self) -> bool {
        RequestCounts::is_timed()
    }

    #[inline]
    fn count(&self, judgment: Judgment) {
        self.requests.count(judgment);
    }

    fn add_time(&self, judgment: Judgment, added: Duration) {
        if let Some(histogram) = self.added.get(judgment as usize) {
            histogram.record(added);
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn record_policy(event: &PolicyEvent) {
    let change = labels::policy_change(event);
    counter!("gabion_policy_events_total", "change" => change).increment(1);
}

fn record_store(event: &StoreEvent) {
    let part = labels::store_part(event.part);
    let change = labels::store_change(&event.change);
    counter!("gabion_store_events_total", "part" => part, "change" => change).increment(1);
}

fn count_setup(kind: &'static str) {
    counter!("gabion_setup_events_total", "kind" => kind).increment(1);
}
