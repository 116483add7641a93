//! The metrics of the process.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gabion::event::{MetricDescription, MetricKind};
use metrics::{describe_counter, describe_gauge};

/// The metrics of the process, as `GET /metrics` returns them.
#[derive(Clone)]
pub(crate) struct Exporter {
    render: Arc<dyn Fn() -> String + Send + Sync>,
    /// The monotonic time at which the tables were counted last.
    counted: Arc<Mutex<Option<Duration>>>,
}

/// The time for which the counts of tables are kept: a count of the limits takes about a millisecond.
const KEPT: Duration = Duration::from_secs(1);

/// The metrics of the state of a guard.
pub(crate) const METRICS: [MetricDescription; 14] = [
    gauge_of(
        "gabion_build_info",
        &["version"],
        "Always 1, with the version of the program.",
    ),
    gauge_of("gabion_uptime_seconds", &[], "Time since the start."),
    gauge_of(
        "gabion_ready",
        &[],
        "1, or 0 from the beginning of a drain.",
    ),
    gauge_of(
        "gabion_policy_generation",
        &[],
        "Policies that were in force before the present one.",
    ),
    gauge_of(
        "gabion_policy_warnings",
        &[],
        "Warnings of the policy in force.",
    ),
    gauge_of(
        "gabion_policy_rejected",
        &[],
        "1 if the last new policy was rejected, so that an old one stays in force.",
    ),
    gauge_of(
        "gabion_policy_rejected_timestamp_seconds",
        &[],
        "Time of the last rejected policy, 0 if one came into force since.",
    ),
    gauge_of(
        "gabion_observe_override_seconds",
        &[],
        "Time for which every rule only observes, 0 if rules are enforced.",
    ),
    gauge_of(
        "gabion_table_entries",
        &["table"],
        "Entries of a bounded table.",
    ),
    gauge_of(
        "gabion_table_capacity",
        &["table"],
        "Largest number of entries of a bounded table.",
    ),
    MetricDescription {
        kind: MetricKind::Counter,
        ..gauge_of(
            "gabion_table_evictions_total",
            &["table"],
            "Entries that a full table dropped while they still counted.",
        )
    },
    gauge_of(
        "gabion_message_buffer_bytes",
        &[],
        "Memory of WebSocket messages that are incomplete or wait for the service.",
    ),
    gauge_of(
        "gabion_store_healthy",
        &["kind"],
        "1 if the store of bans works.",
    ),
    gauge_of(
        "gabion_shared_healthy",
        &["kind"],
        "1 if the connection to other instances works.",
    ),
];

// === impl Exporter ===

impl Exporter {
    pub(crate) fn new(render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        describe();
        Self {
            render: Arc::new(render),
            counted: Arc::default(),
        }
    }

    /// Calls `measure` at the monotonic time `now`, and returns all metrics in the text format of Prometheus.
    /// `measure` counts tables if it gets `true`. It may block.
    pub(crate) fn render(&self, now: Duration, measure: impl FnOnce(bool)) -> String {
        // Held to the end, so that callers at the same time do the work one after the other.
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = counted.is_none_or(|counted| now.saturating_sub(counted) >= KEPT);
        if is_due {
            *counted = Some(now);
        }
        measure(is_due);
        (self.render)()
    }
}

const fn gauge_of(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricDescription {
    MetricDescription {
        name,
        kind: MetricKind::Gauge,
        labels,
        help,
    }
}

fn describe() {
    for metric in METRICS {
        match metric.kind {
            MetricKind::Counter => describe_counter!(metric.name, metric.help),
            _ => describe_gauge!(metric.name, metric.help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_counted_at_most_once_a_second() {
        let exporter = Exporter::new(String::new);
        let mut counted = Vec::new();
        for millis in [0, 500, 999, 1_000, 1_500, 2_100] {
            exporter.render(Duration::from_millis(millis), |is_due| {
                counted.push(is_due);
            });
        }
        assert_eq!(counted, [true, false, false, true, false, true]);
    }
}
