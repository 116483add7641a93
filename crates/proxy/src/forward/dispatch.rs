//! Sends a request to one of the upstreams, and to another one if that is safe.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use gabion_core::ClientIp;
use http::{Request, StatusCode};
use tokio::{
    sync::SemaphorePermit,
    time::{Duration, Instant, sleep},
};

use super::{
    error::{Failure, UpstreamError},
    options::ProxyOptions,
    pool::{Pool, Reuse},
    response_connection::Exchange,
    retry::{RequestSlot, Unanswered, is_retryable},
    retry_budget::RetryCounter,
    upload::Upload,
};
use crate::{
    UpstreamGroup,
    tunnels::WorkerId,
    upstream::{Balancer, Group, NoCandidate, Tried},
};

/// The upstreams of one worker: the shared group, and a pool of connections to each member.
#[derive(Debug)]
pub(super) struct Dispatcher {
    group: UpstreamGroup,
    /// One for each member, in the same order.
    pools: Box<[Pool]>,
    balancer: Balancer,
    retries: RetryCounter,
}

/// The index of the upstream that a request was sent to last.
#[derive(Debug)]
pub(super) struct LastUpstream(AtomicUsize);

/// The next upstream for a request, and its connection.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    idx: usize,
    reuse: Reuse,
}

/// The attempts so far of a request without a response.
#[derive(Default)]
struct Recovery<'g> {
    tried: Tried,
    was_sent_again: bool,
    waiting: Option<StartWaiting<'g>>,
}

/// The wait of a request for an upstream to start.
struct StartWaiting<'g> {
    deadline: Instant,
    _place: SemaphorePermit<'g>,
}

/// The time between two attempts to connect to an upstream that starts.
const START_INTERVAL: Duration = Duration::from_millis(100);

// === impl Dispatcher ===

impl Dispatcher {
    pub(super) fn new(group: UpstreamGroup, options: &ProxyOptions, worker: WorkerId) -> Self {
        let shared = group.shared();
        let pool = |member| Pool::new(shared, member, options, worker);
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

    /// Sends the request in `slot`, and to others if that is safe: once more if it was sent, and otherwise to each.
    pub(super) async fn send(
        &self,
        slot: &mut RequestSlot,
        client: &ClientIp,
        last: &LastUpstream,
    ) -> Result<Exchange, Failure> {
        self.retries.count_request();
        let mut attempt = Attempt {
            idx: self.first(client)?,
            reuse: Reuse::Idle,
        };
        let mut recovery = None;
        loop {
            let Attempt { idx, reuse } = attempt;
            last.set(idx);
            let result = match self.shared().lease(idx) {
                Ok(lease) => self.pools[idx].send(slot, reuse, lease).await,
                Err(_) => Err(Unanswered::unsent(UpstreamError::Busy.into())),
            };
            self.record(idx, &result);
            let unanswered = match result {
                Ok(exchange) => return Ok(exchange),
                Err(unanswered) => unanswered,
            };
            let recovery = recovery.get_or_insert_with(Box::<Recovery<'_>>::default);
            // Boxed, because it is rare: it does not enlarge the future of each request.
            attempt = Box::pin(self.next(recovery, idx, unanswered, slot, client)).await?;
        }
    }

    fn first(&self, client: &ClientIp) -> Result<usize, UpstreamError> {
        if self.shared().has_one_member() {
            return Ok(0);
        }
        self.choose(Tried::default(), client)
            .map_err(|_| UpstreamError::Busy)
    }

    /// Records that no response head arrived in time.
    pub(super) fn record_timeout(&self, last: &LastUpstream, error: &UpstreamError) {
        if let Some(idx) = last.get() {
            self.shared().record_failure(idx, error);
        }
    }

    fn record(&self, idx: usize, result: &Result<Exchange, Unanswered>) {
        match result {
            Ok(exchange) => match exchange.response.status() {
                status @ (StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT) => {
                    let failure = format_args!("it answered {}", status.as_u16());
                    self.shared().record_failure(idx, &failure);
                }
                _ => self.shared().record_success(idx),
            },
            Err(unanswered) => match &unanswered.failure {
                // A failed upload is the client's.
                Failure::Upstream(UpstreamError::Busy) | Failure::Request(_) => {}
                Failure::Upstream(_) => {
                    let failure = unanswered.failure.error_chain();
                    self.shared().record_failure(idx, &failure);
                }
            },
        }
    }

    /// Decides how a request that has no response from `idx` is sent again. If all refuse connections, waits a moment
    /// first.
    async fn next<'g>(
        &'g self,
        recovery: &mut Recovery<'g>,
        idx: usize,
        unanswered: Unanswered,
        slot: &RequestSlot,
        client: &ClientIp,
    ) -> Result<Attempt, Failure> {
        let Unanswered { failure, was_sent } = unanswered;
        let Some(request) = slot else {
            return Err(failure);
        };
        recovery.tried.insert(idx);
        let next = self.choose(recovery.tried, client);
        if was_sent {
            if recovery.was_sent_again || !self.retries.take() {
                return Err(failure);
            }
            recovery.was_sent_again = true;
            return Ok(Attempt {
                // If there is no other one, the same one.
                idx: next.unwrap_or(idx),
                reuse: Reuse::Never,
            });
        }
        let idx = match next {
            Ok(next) => next,
            Err(NoCandidate::Busy) => return Err(UpstreamError::Busy.into()),
            Err(NoCandidate::AllTried) => {
                if !self.wait(&mut recovery.waiting, &failure, request).await {
                    return Err(failure);
                }
                recovery.tried = Tried::default();
                self.choose(recovery.tried, client).unwrap_or(idx)
            }
        };
        Ok(Attempt {
            idx,
            reuse: Reuse::Idle,
        })
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

    /// Displays the upstream; `None` if none was tried.
    pub(super) fn tried(&self, group: &UpstreamGroup) -> Option<String> {
        let member = group.shared().members().get(self.get()?)?;
        Some(member.upstream().to_string())
    }

    /// Displays the upstream, or all of the group if none was tried.
    pub(super) fn display(&self, group: &UpstreamGroup) -> String {
        self.tried(group).unwrap_or_else(|| group.to_string())
    }

    fn get(&self) -> Option<usize> {
        Some(self.0.load(Relaxed)).filter(|&idx| idx != usize::MAX)
    }

    fn set(&self, idx: usize) {
        self.0.store(idx, Relaxed);
    }
}
