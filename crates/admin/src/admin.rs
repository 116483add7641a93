//! What the API works on.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use gabion::{
    Guard,
    event::{AuditAction, AuditEvent, Event, MetricDescription},
};
use http::StatusCode;
use ipnet::IpNet;
use tokio::task::spawn_blocking;

use crate::{
    Durability, EventSource, SharedState,
    caller::Caller,
    durability::Absent,
    error::ApiError,
    events::NoEvents,
    exporter::{self, Exporter},
    wire::parse_address,
};

/// A guard with its store and its readiness, as the API shows and changes them. Clones share everything.
#[derive(Clone)]
pub struct Admin {
    guard: Guard,
    durability: Arc<dyn Durability>,
    shared: Arc<dyn SharedState>,
    events: Arc<dyn EventSource>,
    readiness: Arc<dyn Fn() -> bool + Send + Sync>,
    version: Arc<str>,
    exporter: Option<Exporter>,
    /// The monotonic time of its creation.
    started: Duration,
}

/// A change for the audit: what, to whom, and the result.
pub(crate) struct Change {
    pub(crate) action: AuditAction,
    pub(crate) network: Option<IpNet>,
    pub(crate) detail: String,
}

// === impl Admin ===

impl Admin {
    /// The metrics of the state of a guard ([`Self::with_metrics`]).
    pub const METRICS: [MetricDescription; 14] = exporter::METRICS;

    /// Administers `guard`, without a store, always ready.
    pub fn new(guard: Guard) -> Self {
        let started = guard.now().mono();
        Self {
            guard,
            durability: Arc::new(Absent),
            shared: Arc::new(Absent),
            events: Arc::new(NoEvents),
            readiness: Arc::new(|| true),
            version: env!("CARGO_PKG_VERSION").into(),
            exporter: None,
            started,
        }
    }

    /// Answers changes when they are in this store.
    pub fn with_durability(self, durability: Arc<dyn Durability>) -> Self {
        Self { durability, ..self }
    }

    /// Shows the state of the connection to other instances.
    pub fn with_shared_state(self, shared: Arc<dyn SharedState>) -> Self {
        Self { shared, ..self }
    }

    /// Shows these events.
    pub fn with_events(self, events: Arc<dyn EventSource>) -> Self {
        Self { events, ..self }
    }

    /// Sets the answer of `/readyz`.
    pub fn with_readiness(self, is_ready: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let readiness = Arc::new(is_ready);
        Self { readiness, ..self }
    }

    /// Sets the version of the program in the status. The default is that of this crate.
    pub fn with_version(self, version: impl Into<Arc<str>>) -> Self {
        let version = version.into();
        Self { version, ..self }
    }

    /// Answers `/metrics` with the text that `render` returns, in the text format of Prometheus. Before each call,
    /// the state of the guard ([`Self::METRICS`]) is passed to the recorder of the `metrics` crate, which must be
    /// installed already.
    pub fn with_metrics(self, render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        let exporter = Some(Exporter::new(render));
        Self { exporter, ..self }
    }

    pub(crate) const fn exporter(&self) -> Option<&Exporter> {
        self.exporter.as_ref()
    }

    pub(crate) const fn guard(&self) -> &Guard {
        &self.guard
    }

    pub(crate) fn durability(&self) -> &dyn Durability {
        &*self.durability
    }

    pub(crate) fn shared(&self) -> &dyn SharedState {
        &*self.shared
    }

    pub(crate) fn events(&self) -> &dyn EventSource {
        &*self.events
    }

    pub(crate) fn is_ready(&self) -> bool {
        (self.readiness)()
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.guard.now().mono().saturating_sub(self.started)
    }

    /// Records an audit event.
    pub(crate) fn audit(&self, actor: &Arc<str>, change: Change) {
        let Change {
            action,
            network,
            detail,
        } = change;
        let at = self.guard.now().wall();
        let event = AuditEvent::new(at, Arc::clone(actor), action, network, detail);
        self.guard.sink().record(&Event::Audit(event));
    }

    /// Runs `read` on a thread on which it may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let this = self.clone();
        let reading = spawn_blocking(move || read(&this)).await;
        reading.map_err(|_| {
            let error = "the request failed in the guard; its log has the reason";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error)
        })
    }

    /// Makes a change, records who made it, and waits until it is durable. It is completed even if the caller hangs up.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        caller: Caller,
        change: impl FnOnce(&Guard) -> Result<(T, Change), ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let changing = self.read(move |this| {
            let (result, change) = change(&this.guard)?;
            this.audit(&caller.actor, change);
            this.durability.sync().map_err(|error| {
                let error = format!(
                    "the change is in force, but not durable: a restart of the guard loses it ({error})"
                );
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, error).applied()
            })?;
            Ok(result)
        });
        changing.await?
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}

// === impl Change ===

impl Change {
    pub(crate) fn new(
        action: AuditAction,
        network: Option<IpNet>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            action,
            network,
            detail: detail.into(),
        }
    }
}

/// Parses the address in `field`.
pub(crate) fn address(field: &str, text: &str) -> Result<IpAddr, ApiError> {
    parse_address(text).map_err(|error| ApiError::invalid(field, error))
}
