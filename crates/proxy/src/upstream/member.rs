//! One upstream of a group, and its state.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use gabion_core::{UpstreamState, stable_hash};
use tokio::time::Instant;
use tracing::debug;

use super::{
    Ejection, HealthCheck, Upstream, UpstreamOptions,
    millis::millis,
    resolve::Resolution,
    status::{Causes, Status},
};

/// One upstream of a group.
#[derive(Debug)]
pub(crate) struct Member {
    upstream: Upstream,
    /// The hash of its URL, for [`Balance::Sticky`](super::Balance::Sticky).
    hash: u64,
    state: Arc<MemberState>,
}

/// The load and the health of an upstream, which all workers share, and the group that replaces its own.
///
/// Times are milliseconds since the state was created.
#[derive(Debug)]
struct MemberState {
    created: Instant,
    resolution: Arc<Resolution>,
    status: Arc<Status>,
    in_progress: AtomicUsize,
    /// Failures since the last success.
    failures: AtomicU32,
    /// Zero if it was never ejected.
    ejected_until: AtomicU64,
    /// Ejections without a longer pause.
    ejections: AtomicU32,
    /// Set by an ejection, until a request or a health check succeeds.
    awaits_success: AtomicBool,
    /// Set while health checks fail.
    is_down: AtomicBool,
    /// The time when health checks succeeded again; zero if they never failed.
    up_since: AtomicU64,
    /// Health checks with one result since the last other result.
    checks_in_a_row: AtomicU32,
}

/// A request in progress at a member, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lease(Arc<MemberState>);

// === impl Member ===

impl Member {
    pub(super) fn new(upstream: Upstream, options: &UpstreamOptions) -> Self {
        let status = Arc::new(Status::new(&upstream, options.event_sink.clone()));
        let resolution = Resolution::new(
            upstream.name(),
            options.lookup.clone(),
            options.resolve_interval,
            Arc::clone(&status),
        );
        let state = MemberState {
            created: Instant::now(),
            resolution: Arc::new(resolution),
            status,
            in_progress: AtomicUsize::new(0),
            failures: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            ejections: AtomicU32::new(0),
            awaits_success: AtomicBool::new(false),
            is_down: AtomicBool::new(false),
            up_since: AtomicU64::new(0),
            checks_in_a_row: AtomicU32::new(0),
        };
        Self {
            hash: stable_hash(upstream.to_string().as_bytes()),
            upstream,
            state: Arc::new(state),
        }
    }

    /// The same server with the same state, and possibly another weight.
    pub(super) fn with_upstream(&self, upstream: Upstream) -> Self {
        Self {
            upstream,
            hash: self.hash,
            state: Arc::clone(&self.state),
        }
    }

    /// Counts as healthy until other health checks fail.
    pub(super) fn forget_health_checks(&self) {
        self.state.is_down.store(false, Relaxed);
        self.state.checks_in_a_row.store(0, Relaxed);
        let reason = "its health check is another one now";
        self.state
            .status
            .change(|causes| causes.is_unhealthy = false, reason);
    }

    pub(crate) const fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    pub(crate) fn resolution(&self) -> &Arc<Resolution> {
        &self.state.resolution
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    /// The state of the last event about it.
    pub(super) fn reported_state(&self) -> UpstreamState {
        self.state.status.reported()
    }

    /// The number of requests in progress.
    pub(super) fn in_progress(&self) -> usize {
        self.state.in_progress.load(Relaxed)
    }

    /// Returns `true` if it is neither ejected nor down.
    pub(super) fn is_available(&self, now: Instant) -> bool {
        !self.is_ejected(now) && !self.state.is_down.load(Relaxed)
    }

    pub(super) fn is_ejected(&self, now: Instant) -> bool {
        self.state.ejected_until.load(Relaxed) > self.state.at(now)
    }

    /// Its weight times 100, and less while it starts slowly.
    pub(super) fn current_weight(&self, now: Instant, slow_start: Duration) -> u64 {
        let weight = u64::from(self.upstream.weight().get());
        let recovered = self.state.ejected_until.load(Relaxed);
        let recovered = recovered.max(self.state.up_since.load(Relaxed));
        if recovered == 0 {
            return weight * 100;
        }
        let (now, slow_start) = (self.state.at(now), millis(slow_start));
        if now >= recovered.saturating_add(slow_start) {
            return weight * 100;
        }
        weight * (100 * now.saturating_sub(recovered) / slow_start).max(10)
    }

    /// Counts a failure. Returns `true` if there are as many as an ejection needs.
    pub(super) fn count_failure(&self, ejection: &Ejection) -> bool {
        self.state.failures.fetch_add(1, Relaxed) + 1 >= ejection.failures()
    }

    /// Ejects it because of failures, of which `last` is the last one. The caller keeps the others from being ejected
    /// meanwhile.
    pub(super) fn eject(&self, now: Instant, ejection: &Ejection, last: &dyn fmt::Display) {
        let state = &*self.state;
        let now = state.at(now);
        let last_end = state.ejected_until.load(Relaxed);
        let stayed = Duration::from_millis(now.saturating_sub(last_end));
        if last_end == 0 || stayed > ejection.longest() {
            state.ejections.store(0, Relaxed);
        }
        let duration = ejection.duration(state.ejections.fetch_add(1, Relaxed));
        state.ejected_until.store(now + millis(duration), Relaxed);
        // One more failure is enough for the next ejection.
        let failures = state
            .failures
            .swap((ejection.failures() - 1).max(1), Relaxed);
        let reason = format_args!(
            "no requests for {duration:?} after {failures} failures in a row, the last one: {last}"
        );
        state
            .status
            .change(|causes| causes.is_ejected = true, reason);
        state.awaits_success.store(true, Relaxed);
        debug!(target: "gabion::proxy", upstream = %self.upstream, "{reason}");
    }

    /// Counts a success.
    pub(super) fn record_success(&self) {
        let state = &*self.state;
        if state.failures.load(Relaxed) == 0 {
            return;
        }
        state.failures.store(0, Relaxed);
        if state.awaits_success.swap(false, Relaxed) {
            state
                .status
                .change(|causes| causes.is_ejected = false, "a request succeeded");
        }
    }

    /// Counts the result of a health check, and changes its state after as many equal ones as `check` requires.
    pub(crate) fn record_check(&self, check: &HealthCheck, result: Result<(), &str>) {
        let state = &*self.state;
        let is_down = state.is_down.load(Relaxed);
        if result.is_err() == is_down {
            state.checks_in_a_row.store(0, Relaxed);
            return;
        }
        let in_a_row = state.checks_in_a_row.fetch_add(1, Relaxed) + 1;
        let threshold = if is_down {
            check.healthy_after()
        } else {
            check.unhealthy_after()
        };
        if in_a_row < threshold {
            return;
        }
        state.checks_in_a_row.store(0, Relaxed);
        state.is_down.store(!is_down, Relaxed);
        match result {
            Ok(()) => {
                let now = state.at(Instant::now());
                state.up_since.store(now.max(1), Relaxed);
                state.ejected_until.fetch_min(now, Relaxed);
                state.awaits_success.store(false, Relaxed);
                let recover = |causes: &mut Causes| {
                    causes.is_unhealthy = false;
                    causes.is_ejected = false;
                };
                let reason = format_args!("{in_a_row} health checks in a row succeeded");
                state.status.change(recover, reason);
            }
            Err(failure) => {
                let reason = format_args!(
                    "{in_a_row} health checks in a row failed, the last one: {failure}"
                );
                state
                    .status
                    .change(|causes| causes.is_unhealthy = true, reason);
            }
        }
    }
}

// === impl MemberState ===

impl MemberState {
    fn at(&self, now: Instant) -> u64 {
        millis(now.duration_since(self.created))
    }
}

// === impl Lease ===

impl Lease {
    /// Counts a request in progress at `member`, unless it has `most` already.
    pub(super) fn take(member: &Member, most: usize) -> Option<Self> {
        let next = |taken| (taken < most).then_some(taken + 1);
        let state = &member.state;
        let taken = state.in_progress.fetch_update(Relaxed, Relaxed, next);
        taken.is_ok().then(|| Self(Arc::clone(state)))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.in_progress.fetch_sub(1, Relaxed);
    }
}
