//! Names and meanings of the metrics.

use metrics::{Unit, describe_counter, describe_histogram};

use super::Metrics;

/// The name and the meaning of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a row of a table")]
pub struct MetricDescription {
    /// The name, which begins with `gabion_`.
    pub name: &'static str,
    /// The kind.
    pub kind: MetricKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// The meaning, as a text for `# HELP`.
    pub help: &'static str,
}

/// The kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the kinds of the text format that are used"
)]
pub enum MetricKind {
    /// A sum that only grows.
    Counter,
    /// A value that can fall.
    Gauge,
    /// Counts of values, by upper bounds.
    Histogram,
}

// === impl Metrics ===

impl Metrics {
    /// The metrics of requests and events.
    pub const DESCRIPTIONS: [MetricDescription; 18] = [
        counter(
            "gabion_requests_total",
            &["outcome"],
            "Requests by what became of them: passed, refused, or unjudged after a panic.",
        ),
        MetricDescription {
            kind: MetricKind::Histogram,
            ..counter(
                "gabion_added_seconds",
                &["outcome"],
                "Time that gabion alone added to an exchange, of one request in 64.",
            )
        },
        counter(
            "gabion_verdicts_total",
            &["rule", "action", "mode"],
            "Verdicts other than a pass: requests that were denied or allowed, sessions that were closed.",
        ),
        counter(
            "gabion_bans_total",
            &["rule", "change"],
            "Changes of bans by rules, and bans that did not come into force.",
        ),
        counter(
            "gabion_sessions_closed_total",
            &["kind", "reason", "mode"],
            "WebSockets and event streams that were closed, or would have been.",
        ),
        counter(
            "gabion_websocket_diagnoses_total",
            &["code"],
            "WebSockets that did not open or stay open, by diagnosis.",
        ),
        counter(
            "gabion_policy_events_total",
            &["change"],
            "Replaced, rejected and restored policies, and observe overrides.",
        ),
        counter(
            "gabion_panics_total",
            &[],
            "Panics while a request, a response or a message was judged.",
        ),
        counter(
            "gabion_probe_hits_total",
            &["rule"],
            "Probes that the service answered as if it had the file.",
        ),
        counter(
            "gabion_proxy_failures_total",
            &["status"],
            "Requests that could not be forwarded, by the status of the response.",
        ),
        counter(
            "gabion_connections_refused_total",
            &["limit"],
            "Connections that were closed because of a limit.",
        ),
        counter(
            "gabion_unparsable_requests_total",
            &[],
            "Connections that ended because the next bytes were not a request.",
        ),
        counter(
            "gabion_store_events_total",
            &["part", "change"],
            "Changes of the state of the store and of the exchange with other instances.",
        ),
        counter(
            "gabion_log_events_total",
            &["change"],
            "Changes of the state of log files, and reports of lost lines.",
        ),
        counter(
            "gabion_upstream_changes_total",
            &["state"],
            "Changes of the state of servers behind the proxy, by new state.",
        ),
        counter(
            "gabion_operator_actions_total",
            &["action"],
            "Changes by operators, and refused callers of the admin interface.",
        ),
        counter(
            "gabion_setup_events_total",
            &["kind"],
            "Events that ask for a setting, such as a peer that looks like an unlisted proxy.",
        ),
        counter(
            "gabion_events_suppressed_total",
            &[],
            "Events that were not logged because of the limit of the log.",
        ),
    ];
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricDescription {
    MetricDescription {
        name,
        kind: MetricKind::Counter,
        labels,
        help,
    }
}

/// Passes the descriptions to the recorder.
pub(super) fn describe() {
    for metric in Metrics::DESCRIPTIONS {
        match metric.kind {
            MetricKind::Histogram => {
                describe_histogram!(metric.name, Unit::Seconds, metric.help);
            }
            MetricKind::Counter | MetricKind::Gauge => describe_counter!(metric.name, metric.help),
        }
    }
}
