//! Sends a request to one of the upstreams, and to another one if that is safe.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use gabion_core::ClientIp;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::{
    sync::SemaphorePermit,
    time::{Duration, Instant, sleep},
};

use super::{
    error::{Failure, UpstreamError},
    options::ProxyOptions,
    pool::{Pool, Reuse},
    response_connection::ResponseConnection,
    retry::{RequestSlot, Unanswered, is_retryable},
    retry_budget::RetryCounter,
    upload::Upload,
};
use crate::{
    UpstreamGroup,
    upstream::{Balancer, Group, Lease, NoCandidate, Tried},
};

/// The upstreams of one worker: the shared group, and a pool of connections to each member.
#[derive(Debug)]
pub(super) struct Dispatcher {
    group: UpstreamGroup,
    /// One for each member, in the same order.
    pools: Box<[Arc<Pool>]>,
    balancer: Balancer,
    retries: RetryCounter,
}

/// A response with the connection that its body arrives on.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) response: Response<Incoming>,
    pub(super) connection: ResponseConnection,
    /// The request counts as in progress at its upstream until this is dropped.
    pub(super) lease: Option<Lease>,
}

/// The index of the upstream that a request was sent to last.
#[derive(Debug)]
pub(super) struct LastUpstream(AtomicUsize);

/// The wait of a request for an upstream to start.
struct StartWaiting<'g> {
    deadline: Instant,
    _place: SemaphorePermit<'g>,
}

/// The time between two attempts to connect to an upstream that starts.
const START_INTERVAL: Duration = Duration::from_millis(100);

// === impl Dispatcher ===

impl Dispatcher {
    pub(super) fn new(group: UpstreamGroup, options: &ProxyOptions) -> Self {
        let shared = group.shared();
        let pool = |member| Arc::new(Pool::new(shared, member, options));
        Self {
            pools: shared.members().iter().map(pool).collect(),
            balancer: Balancer::new(shared),
            retries: RetryCounter::new(shared.options().retry_budget),
            group,
        }
    }

    pub(super) const fn group(&self) -> &UpstreamGroup {
        &self.group
    }

    /// Returns the authority for a request that names no host.
    pub(super) fn default_authority(&self) -> &str {
        let first = self.shared().members().first();
        first.map_or("", |member| member.upstream().authority())
    }

    /// Sends the request in `slot`.
    pub(super) async fn send(
        &self,
        slot: &mut RequestSlot,
        client: &ClientIp,
        last: &LastUpstream,
    ) -> Result<Exchange, Failure> {
        self.retries.count_request();
        let idx = if self.shared().has_one_member() {
            0
        } else {
            self.choose(Tried::default(), client)
                .map_err(|_| UpstreamError::Busy)?
        };
        match self.attempt(idx, slot, Reuse::Idle, last).await {
            Ok(exchange) => Ok(exchange),
            Err(unanswered) => Box::pin(self.recover(unanswered, slot, idx, client, last)).await,
        }
    }

    /// Records that no response head arrived in time.
    pub(super) fn record_timeout(&self, last: &LastUpstream) {
        if let Some(idx) = last.get() {
            self.shared().record_failure(idx);
        }
    }

    /// Sends the request to one upstream.
    async fn attempt(
        &self,
        idx: usize,
        slot: &mut RequestSlot,
        reuse: Reuse,
        last: &LastUpstream,
    ) -> Result<Exchange, Unanswered> {
        last.set(idx);
        let lease = self.shared().lease(idx);
        let lease = lease.map_err(|_| Unanswered::unsent(UpstreamError::Busy.into()))?;
        match self.pools[idx].send(slot, reuse).await {
            Ok((response, connection)) => {
                self.record_status(idx, response.status());
                Ok(Exchange {
                    response,
                    connection,
                    lease,
                })
            }
            Err(unanswered) => {
                // A failed upload is the client's.
                if matches!(unanswered.failure, Failure::Upstream(_)) {
                    self.shared().record_failure(idx);
                }
                Err(unanswered)
            }
        }
    }

    fn record_status(&self, idx: usize, status: StatusCode) {
        match status {
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => self.shared().record_failure(idx),
            _ => self.shared().record_success(idx),
        }
    }

    /// Sends a request that has no response from `idx` to others: once more if it was sent, and otherwise to each. If
    /// all refuse connections, waits for one to start.
    async fn recover(
        &self,
        mut unanswered: Unanswered,
        slot: &mut RequestSlot,
        mut idx: usize,
        client: &ClientIp,
        last: &LastUpstream,
    ) -> Result<Exchange, Failure> {
        let mut tried = Tried::default();
        let mut was_sent_again = false;
        let mut waiting = None;
        loop {
            let Unanswered { failure, was_sent } = unanswered;
            let Some(request) = slot else {
                return Err(failure);
            };
            tried.insert(idx);
            let next = self.choose(tried, client);
            let reuse = if was_sent {
                if was_sent_again || !self.retries.take() {
                    return Err(failure);
                }
                was_sent_again = true;
                Reuse::Never
            } else {
                Reuse::Idle
            };
            idx = match next {
                Ok(next) => next,
                // The same one, on another connection.
                Err(_) if was_sent => idx,
                Err(NoCandidate::Busy) => return Err(UpstreamError::Busy.into()),
                Err(NoCandidate::AllTried) if self.wait(&mut waiting, &failure, request).await => {
                    tried = Tried::default();
                    self.choose(tried, client).unwrap_or(idx)
                }
                Err(NoCandidate::AllTried) => return Err(failure),
            };
            match self.attempt(idx, slot, reuse, last).await {
                Ok(exchange) => return Ok(exchange),
                Err(next) => unanswered = next,
            }
        }
    }

    /// Waits a moment for an upstream to start. Returns `false` if the request must not wait, or no longer.
    async fn wait<'g>(
        &'g self,
        waiting: &mut Option<StartWaiting<'g>>,
        failure: &Failure,
        request: &Request<Upload>,
    ) -> bool {
        let is_refused = matches!(failure, Failure::Upstream(UpstreamError::Refused(_)));
        if !is_refused || !is_retryable(request) {
            return false;
        }
        if waiting.is_none() {
            let Ok(place) = self.shared().start_waits().try_acquire() else {
                return false;
            };
            *waiting = Some(StartWaiting {
                deadline: Instant::now() + self.shared().options().start_wait.time(),
                _place: place,
            });
        }
        let is_over = |wait: &StartWaiting<'_>| Instant::now() + START_INTERVAL > wait.deadline;
        if waiting.as_ref().is_none_or(is_over) {
            return false;
        }
        sleep(START_INTERVAL).await;
        true
    }

    fn choose(&self, tried: Tried, client: &ClientIp) -> Result<usize, NoCandidate> {
        self.balancer.choose(self.shared(), tried, client)
    }

    fn shared(&self) -> &Group {
        self.group.shared()
    }
}

// === impl LastUpstream ===

impl LastUpstream {
    pub(super) const fn none() -> Self {
        Self(AtomicUsize::new(usize::MAX))
    }

    /// Displays the upstream, or all of the group if none was tried.
    pub(super) fn display(&self, group: &UpstreamGroup) -> String {
        match self.get().and_then(|idx| group.shared().members().get(idx)) {
            Some(member) => member.upstream().to_string(),
            None => group.to_string(),
        }
    }

    fn get(&self) -> Option<usize> {
        Some(self.0.load(Relaxed)).filter(|&idx| idx != usize::MAX)
    }

    fn set(&self, idx: usize) {
        self.0.store(idx, Relaxed);
    }
}
