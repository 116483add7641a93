//! Options of a group of upstreams.

use std::{io, net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use gabion_core::Sink;

use super::{Balance, Ejection, HealthCheck, OwnAddresses, UpstreamTls, resolve::Lookup};
use crate::event_sink::EventSink;

/// Options of an [`UpstreamGroup`](crate::UpstreamGroup): choice, health, retries, name resolution and TLS.
/// Timeouts are those of [`ProxyOptions`](crate::ProxyOptions).
///
/// ```
/// use std::{num::NonZeroUsize, time::Duration};
///
/// use gabion_proxy::{Balance, HealthCheck, Upstream, UpstreamGroup, UpstreamOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let options = UpstreamOptions::default()
///     .with_balance(Balance::Sticky)
///     .with_health_check(HealthCheck::new("/health")?)
///     .with_slow_start(Duration::from_secs(30))
///     .with_max_requests(NonZeroUsize::new(200));
/// let upstreams: [Upstream; 2] = ["http://10.0.0.1:5000".parse()?, "http://10.0.0.2:5000".parse()?];
/// let group = UpstreamGroup::new(upstreams, &options)?;
/// assert_eq!(group.to_string(), "http://10.0.0.1:5000, http://10.0.0.2:5000");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct UpstreamOptions {
    pub(crate) balance: Balance,
    pub(crate) ejection: Option<Ejection>,
    pub(crate) health_check: Option<HealthCheck>,
    pub(crate) slow_start: Duration,
    pub(crate) max_requests: Option<NonZeroUsize>,
    pub(crate) retry_budget: RetryBudget,
    pub(crate) start_wait: StartWait,
    pub(crate) resolve_interval: Duration,
    pub(crate) lookup: Lookup,
    pub(crate) tls: Option<UpstreamTls>,
    pub(crate) event_sink: EventSink,
    pub(crate) own: OwnAddresses,
}

/// The most requests that are sent a second time: a share of all, and a number per second that is always
/// allowed. Both are counted over 10 seconds, by each [`Proxy`](crate::Proxy).
///
/// A request is sent again only if that is safe (RFC 9110, 9.2.2): its method is safe, it has no body, and no byte
/// of a response arrived. It is sent at most twice. A request that found no connection was not sent, and may move
/// to another upstream without the budget.
///
/// ```
/// use gabion_proxy::RetryBudget;
///
/// let budget = RetryBudget::default();
/// assert_eq!((budget.percent(), budget.per_second()), (20, 10));
/// let budget = budget.with_percent(10).with_per_second(2);
/// assert_eq!((budget.percent(), budget.per_second()), (10, 2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    percent: u8,
    per_second: u16,
}

/// The wait of requests while every upstream refuses connections, as while a server starts.
///
/// A request with a safe method and without a body waits; every other one gets 503 with `Retry-After` at once. So
/// does one that waited for the whole time, or that would be one too many.
///
/// ```
/// use std::time::Duration;
///
/// use gabion_proxy::StartWait;
///
/// let wait = StartWait::default();
/// assert_eq!((wait.time(), wait.max_requests()), (Duration::from_secs(5), 256));
/// let wait = wait.with_time(Duration::from_secs(20)).with_max_requests(1_000);
/// assert_eq!((wait.time(), wait.max_requests()), (Duration::from_secs(20), 1_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartWait {
    time: Duration,
    max_requests: usize,
}

// === impl UpstreamOptions ===

impl Default for UpstreamOptions {
    fn default() -> Self {
        Self {
            balance: Balance::default(),
            ejection: Some(Ejection::default()),
            health_check: None,
            slow_start: Duration::from_secs(10),
            max_requests: None,
            retry_budget: RetryBudget::default(),
            start_wait: StartWait::default(),
            resolve_interval: Duration::from_secs(30),
            lookup: Lookup::System,
            tls: None,
            event_sink: EventSink::default(),
            own: OwnAddresses::default(),
        }
    }
}

impl UpstreamOptions {
    /// Returns `true` if `other` leads to the same servers by the same connections.
    pub(super) fn reaches_servers_like(&self, other: &Self) -> bool {
        let has_same_roots = match (&self.tls, &other.tls) {
            (Some(tls), Some(other)) => tls.has_same_roots(other),
            (None, None) => true,
            _ => false,
        };
        has_same_roots
            && self.resolve_interval == other.resolve_interval
            && self.lookup.is_same(&other.lookup)
    }

    /// Sets how an upstream is chosen: [`Balance::LeastRequest`] by default.
    pub fn with_balance(self, balance: Balance) -> Self {
        Self { balance, ..self }
    }

    /// Sets when an upstream that fails gets no requests for a time; `None` turns this off.
    pub fn with_ejection(self, ejection: impl Into<Option<Ejection>>) -> Self {
        let ejection = ejection.into();
        Self { ejection, ..self }
    }

    /// Sets the health checks, which [`UpstreamGroup::run_health_checks`](crate::UpstreamGroup::run_health_checks)
    /// runs: none by default.
    pub fn with_health_check(self, health_check: impl Into<Option<HealthCheck>>) -> Self {
        let health_check = health_check.into();
        Self {
            health_check,
            ..self
        }
    }

    /// Sets the time in which the weight of an upstream grows from a tenth to its full value after the upstream
    /// recovered: 10 s by default.
    pub fn with_slow_start(self, slow_start: Duration) -> Self {
        Self { slow_start, ..self }
    }

    /// Sets how many requests each upstream may have in progress, with open WebSockets: unlimited by default. If
    /// all have as many, a request gets 503 with `Retry-After`.
    pub fn with_max_requests(self, max_requests: Option<NonZeroUsize>) -> Self {
        Self {
            max_requests,
            ..self
        }
    }

    /// Sets how many requests are sent again.
    pub fn with_retry_budget(self, retry_budget: RetryBudget) -> Self {
        Self {
            retry_budget,
            ..self
        }
    }

    /// Sets how long requests wait while every upstream refuses connections.
    pub fn with_start_wait(self, start_wait: StartWait) -> Self {
        Self { start_wait, ..self }
    }

    /// Sets the interval after which a name is resolved again while it is in use: 30 s by default. It is also
    /// resolved again after a failed connect. The system does not report how long an answer is valid.
    pub fn with_resolve_interval(self, resolve_interval: Duration) -> Self {
        Self {
            resolve_interval,
            ..self
        }
    }

    /// Replaces the system's name resolution by a function of host and port. It may block. Addresses that are
    /// never an upstream ([`ForbiddenAddress`](crate::ForbiddenAddress)) are removed from its result.
    pub fn with_resolver(
        self,
        lookup: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        let lookup = Lookup::custom(lookup);
        Self { lookup, ..self }
    }

    /// Sets the certificates that `https://` and `h2://` upstreams are verified with: by default those of the
    /// system.
    pub fn with_tls(self, tls: UpstreamTls) -> Self {
        let tls = Some(tls);
        Self { tls, ..self }
    }

    /// Sets the destination of events about changes of the state of an upstream
    /// ([`Event::Upstream`](gabion_core::Event::Upstream)). If unset, they are dropped.
    pub fn with_sink(self, sink: Arc<dyn Sink>) -> Self {
        let event_sink = EventSink::new(sink);
        Self { event_sink, ..self }
    }

    /// Refuses connections that lead to one of these addresses, which are those of this process itself.
    pub fn with_own_addresses(self, own: OwnAddresses) -> Self {
        Self { own, ..self }
    }
}

// === impl RetryBudget ===

impl RetryBudget {
    /// Sets the share of requests that may be sent again, in percent: 20 by default.
    pub const fn with_percent(self, percent: u8) -> Self {
        Self { percent, ..self }
    }

    /// Sets the number per second that may be sent again in any case: 10 by default.
    pub const fn with_per_second(self, per_second: u16) -> Self {
        Self { per_second, ..self }
    }

    /// Returns the share in percent.
    pub const fn percent(self) -> u8 {
        self.percent
    }

    /// Returns the number per second.
    pub const fn per_second(self) -> u16 {
        self.per_second
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            percent: 20,
            per_second: 10,
        }
    }
}

// === impl StartWait ===

impl StartWait {
    /// Sets the longest wait of a request: 5 s by default. Zero turns waiting off.
    pub const fn with_time(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    /// Sets how many requests may wait at once, of all workers: 256 by default.
    pub const fn with_max_requests(self, max_requests: usize) -> Self {
        Self {
            max_requests,
            ..self
        }
    }

    /// Returns the longest wait.
    pub const fn time(self) -> Duration {
        self.time
    }

    /// Returns the largest number of waiting requests.
    pub const fn max_requests(self) -> usize {
        self.max_requests
    }
}

impl Default for StartWait {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(5),
            max_requests: 256,
        }
    }
}
