//! The shared state of one upstream of a group.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use gabion_core::stable_hash;
use tracing::{info, warn};

use super::{Ejection, HealthCheck, Upstream, millis::millis, resolve::Resolution};

/// One upstream of a group with its load and its health, which all workers share.
///
/// Times are milliseconds since the group was created.
#[derive(Debug)]
pub(crate) struct Member {
    upstream: Upstream,
    resolution: Arc<Resolution>,
    /// The hash of its URL, for [`Balance::Sticky`](super::Balance::Sticky).
    hash: u64,
    in_progress: AtomicUsize,
    /// Failures since the last success.
    failures: AtomicU32,
    /// Zero if it was never ejected.
    ejected_until: AtomicU64,
    /// Ejections without a longer pause.
    ejections: AtomicU32,
    /// Set by an ejection, until a request succeeds.
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
pub(crate) struct Lease(Arc<Member>);

// === impl Member ===

impl Member {
    pub(super) fn new(upstream: Upstream, resolution: Resolution) -> Self {
        Self {
            hash: stable_hash(upstream.to_string().as_bytes()),
            upstream,
            resolution: Arc::new(resolution),
            in_progress: AtomicUsize::new(0),
            failures: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            ejections: AtomicU32::new(0),
            awaits_success: AtomicBool::new(false),
            is_down: AtomicBool::new(false),
            up_since: AtomicU64::new(0),
            checks_in_a_row: AtomicU32::new(0),
        }
    }

    pub(crate) const fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    pub(crate) const fn resolution(&self) -> &Arc<Resolution> {
        &self.resolution
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    /// The number of requests in progress.
    pub(super) fn in_progress(&self) -> usize {
        self.in_progress.load(Relaxed)
    }

    /// Returns `true` if it is neither ejected nor down.
    pub(super) fn is_available(&self, now: u64) -> bool {
        !self.is_ejected(now) && !self.is_down.load(Relaxed)
    }

    pub(super) fn is_ejected(&self, now: u64) -> bool {
        self.ejected_until.load(Relaxed) > now
    }

    /// Its weight times 100, and less while it starts slowly.
    pub(super) fn current_weight(&self, now: u64, slow_start: Duration) -> u64 {
        let weight = u64::from(self.upstream.weight().get());
        let recovered = self.ejected_until.load(Relaxed);
        let recovered = recovered.max(self.up_since.load(Relaxed));
        let slow_start = millis(slow_start);
        if recovered == 0 || now >= recovered.saturating_add(slow_start) {
            return weight * 100;
        }
        weight * (100 * now.saturating_sub(recovered) / slow_start).max(10)
    }

    /// Counts a failure. Returns `true` if there are as many as an ejection needs.
    pub(super) fn count_failure(&self, ejection: &Ejection) -> bool {
        self.failures.fetch_add(1, Relaxed) + 1 >= ejection.failures()
    }

    /// Ejects it. The caller keeps the others from being ejected meanwhile.
    pub(super) fn eject(&self, now: u64, ejection: &Ejection) {
        let last_end = self.ejected_until.load(Relaxed);
        let stayed = Duration::from_millis(now.saturating_sub(last_end));
        if last_end == 0 || stayed > ejection.longest() {
            self.ejections.store(0, Relaxed);
        }
        let duration = ejection.duration(self.ejections.fetch_add(1, Relaxed));
        self.ejected_until.store(now + millis(duration), Relaxed);
        // One more failure is enough for the next ejection.
        let failures = self
            .failures
            .swap((ejection.failures() - 1).max(1), Relaxed);
        self.awaits_success.store(true, Relaxed);
        warn!(
            target: "gabion::proxy",
            upstream = %self.upstream,
            "upstream ejected for {duration:?} after {failures} failures"
        );
    }

    /// Counts a success.
    pub(super) fn record_success(&self) {
        if self.failures.load(Relaxed) == 0 {
            return;
        }
        self.failures.store(0, Relaxed);
        if self.awaits_success.swap(false, Relaxed) {
            info!(target: "gabion::proxy", upstream = %self.upstream, "upstream responds again after its ejection");
        }
    }

    /// Counts the result of a health check, and changes its state after as many equal ones as `check` requires.
    pub(super) fn record_check(&self, check: &HealthCheck, result: Result<(), &str>, now: u64) {
        let is_down = self.is_down.load(Relaxed);
        if result.is_err() == is_down {
            self.checks_in_a_row.store(0, Relaxed);
            return;
        }
        let in_a_row = self.checks_in_a_row.fetch_add(1, Relaxed) + 1;
        let threshold = if is_down {
            check.healthy_after()
        } else {
            check.unhealthy_after()
        };
        if in_a_row < threshold {
            return;
        }
        self.checks_in_a_row.store(0, Relaxed);
        self.is_down.store(!is_down, Relaxed);
        let upstream = &self.upstream;
        match result {
            Ok(()) => {
                self.up_since.store(now.max(1), Relaxed);
                self.ejected_until.fetch_min(now, Relaxed);
                info!(target: "gabion::proxy", %upstream, "upstream is healthy after {in_a_row} health checks");
            }
            Err(reason) => {
                warn!(
                    target: "gabion::proxy",
                    %upstream, "upstream is unhealthy after {in_a_row} failed health checks: {reason}"
                );
            }
        }
    }
}

// === impl Lease ===

impl Lease {
    /// Counts a request in progress at `member`, unless it has `most` already.
    pub(super) fn take(member: &Arc<Member>, most: usize) -> Option<Self> {
        let next = |taken| (taken < most).then_some(taken + 1);
        let taken = member.in_progress.fetch_update(Relaxed, Relaxed, next);
        taken.is_ok().then(|| Self(Arc::clone(member)))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.in_progress.fetch_sub(1, Relaxed);
    }
}
