//! The metrics of the process, in the text format of Prometheus.
//!
//! `metrics-exporter-prometheus` keeps them: it is by the authors of the facade, and without its HTTP listener it adds a
//! few small crates. The admin API serves them.

use std::{
    collections::BTreeSet,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use gabion::event::{
    Event, EventBudget, Meter, MetricDescription, MetricKind, Metrics, Sink, UpstreamState,
};
use gabion_admin::Admin;
use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::{
    cli::RunArgs,
    site::{LiveSite, Site},
};

/// The recorder of the process, and what counts for it.
pub(crate) struct Exporter {
    handle: PrometheusHandle,
    metrics: Arc<Metrics>,
}

/// Lets the recorder sum up the times that it keeps, once a second: otherwise they grow while no one reads them.
struct Upkeep<S> {
    inner: S,
    handle: PrometheusHandle,
}

/// The names of groups of servers that were measured. Those of former configurations are set to zero.
#[derive(Default)]
struct SeenGroups(Mutex<BTreeSet<String>>);

/// The metric of the servers behind the proxy.
const SERVERS: MetricDescription = MetricDescription {
    name: "gabion_upstream_servers",
    kind: MetricKind::Gauge,
    labels: &["group", "state"],
    help: "Servers behind the proxy, by state.",
};

/// The states of a server.
const STATES: [UpstreamState; 4] = [
    UpstreamState::Up,
    UpstreamState::Unhealthy,
    UpstreamState::Ejected,
    UpstreamState::Unresolved,
];

/// The largest number of names of groups since the start. Further groups are not measured.
const MAX_GROUPS: usize = 1_000;

// === impl Exporter ===

impl Exporter {
    /// Installs the recorder, unless no admin API shows its metrics.
    pub(crate) fn install(args: &RunArgs) -> Result<Option<Self>, Box<dyn Error>> {
        if args.admin.admin.is_none() && args.https.state.is_none() {
            return Ok(None);
        }
        let times = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new();
        let builder = builder.set_buckets_for_metric(times, &Metrics::BUCKETS)?;
        let handle = builder.install_recorder()?;
        describe_gauge!(SERVERS.name, SERVERS.help);
        let metrics = Arc::new(Metrics::new());
        Ok(Some(Self { handle, metrics }))
    }

    /// Returns a sink that counts every event, and passes those within `budget` on to `log`.
    pub(crate) fn sink(&self, log: impl Sink + 'static, budget: EventBudget) -> Arc<dyn Sink> {
        let inner = Arc::clone(&self.metrics).before_bounded(log, budget);
        let handle = self.handle.clone();
        Arc::new(Upkeep { inner, handle })
    }

    /// Returns the destination of counts of requests.
    pub(crate) fn meter(&self) -> Arc<dyn Meter> {
        self.metrics.clone()
    }

    /// Shows the metrics in the admin API, with the states of the servers of `site`.
    pub(crate) fn show_in(self, admin: Admin, site: LiveSite) -> Admin {
        let seen = SeenGroups::default();
        admin.with_metrics(move || {
            self.metrics.publish();
            seen.measure(&site.current());
            self.handle.render()
        })
    }
}

// === impl Upkeep ===

impl<S: Sink> Sink for Upkeep<S> {
    fn record(&self, event: &Event) {
        self.inner.record(event);
    }

    fn flush(&self, now: SystemTime) {
        self.inner.flush(now);
        self.handle.run_upkeep();
    }
}

// === impl SeenGroups ===

impl SeenGroups {
    fn measure(&self, site: &Site) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for named in &site.upstreams {
            if seen.len() < MAX_GROUPS {
                seen.insert(named.name.clone());
            }
        }
        for name in &*seen {
            let group = site.upstreams.iter().find(|named| named.name == *name);
            for state in STATES {
                let is_in = |of: &UpstreamState| *of == state;
                let servers = group.map_or(0, |named| named.group.states().filter(is_in).count());
                let servers = u32::try_from(servers).unwrap_or(u32::MAX);
                gauge!(SERVERS.name, "group" => name.clone(), "state" => state.name()).set(servers);
            }
        }
    }
}
