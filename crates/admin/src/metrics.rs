//! The state of a guard as gauges, by the `metrics` facade.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use gabion::event::{MetricDescription, MetricKind};
use metrics::{counter, describe_counter, describe_gauge, gauge};

use crate::Admin;

/// The metrics of the process, as `GET /metrics` returns them.
#[derive(Clone)]
pub(crate) struct Exporter {
    render: Arc<dyn Fn() -> String + Send + Sync>,
    /// The monotonic time at which the tables were counted last.
    counted: Arc<Mutex<Option<Duration>>>,
}

/// The time for which the counts of tables are kept: a count of the limits takes about a millisecond.
const KEPT: Duration = Duration::from_secs(1);

// === impl Exporter ===

impl Exporter {
    pub(crate) fn new(render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        describe();
        Self {
            render: Arc::new(render),
            counted: Arc::default(),
        }
    }

    /// Measures the state of `admin`, and returns all metrics in the text format of Prometheus. It may block.
    pub(crate) fn render(&self, admin: &Admin) -> String {
        // Held to the end, so that callers at the same time do the work one after the other.
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = admin.guard().now().mono();
        measure(admin);
        if counted.is_none_or(|counted| now.saturating_sub(counted) >= KEPT) {
            measure_tables(admin);
            *counted = Some(now);
        }
        (self.render)()
    }
}

// === impl Admin ===

impl Admin {
    /// The metrics of the state of a guard ([`Self::with_metrics`]).
    pub const METRICS: [MetricDescription; 14] = [
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
    for metric in Admin::METRICS {
        match metric.kind {
            MetricKind::Counter => describe_counter!(metric.name, metric.help),
            _ => describe_gauge!(metric.name, metric.help),
        }
    }
}

fn measure(admin: &Admin) {
    let guard = admin.guard();
    gauge!("gabion_build_info", "version" => admin.version().to_owned()).set(1);
    gauge!("gabion_uptime_seconds").set(admin.uptime().as_secs_f64());
    gauge!("gabion_ready").set(truth(admin.is_ready()));
    gauge!("gabion_policy_generation").set(count(guard.generation()));
    gauge!("gabion_policy_warnings").set(count(guard.warnings().len()));
    let rejected = guard.rejected_policy();
    let at = rejected
        .as_ref()
        .and_then(|rejected| rejected.at.duration_since(UNIX_EPOCH).ok());
    gauge!("gabion_policy_rejected").set(truth(rejected.is_some()));
    gauge!("gabion_policy_rejected_timestamp_seconds").set(at.unwrap_or_default().as_secs_f64());
    gauge!("gabion_observe_override_seconds").set(guard.observes_for().as_secs_f64());
    let buffered = guard.sessions().buffered();
    gauge!("gabion_message_buffer_bytes").set(count(buffered));
    let (store, shared) = (admin.durability().status(), admin.shared().status());
    gauge!("gabion_store_healthy", "kind" => store.kind).set(truth(store.healthy));
    gauge!("gabion_shared_healthy", "kind" => shared.kind).set(truth(shared.healthy));
}

fn measure_tables(admin: &Admin) {
    for table in admin.guard().tables() {
        gauge!("gabion_table_entries", "table" => table.name).set(count(table.entries));
        gauge!("gabion_table_capacity", "table" => table.name).set(count(table.capacity));
        counter!("gabion_table_evictions_total", "table" => table.name).absolute(table.evictions);
    }
}

fn truth(is_true: bool) -> f64 {
    f64::from(u8::from(is_true))
}

/// A count as a gauge, exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "no table has that many entries")]
fn count(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}
