//! The replacement of the services of running workers.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use tracing::error;

use super::{service::HttpService, worker_service::WorkerService};
use crate::Tunnels;

/// A handle that lets running workers create their services again ([`Workers::renewal`](crate::Workers::renewal)).
/// It does not keep them running.
#[derive(Clone, Debug)]
pub struct Renewal {
    requests: watch::Sender<Option<RenewalRequest>>,
    workers: usize,
}

/// Workers that did not create their service again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{left} of {workers} workers did not take the new service within {} s", Renewal::PATIENCE.as_secs())]
pub struct RenewalError {
    left: usize,
    workers: usize,
}

/// Asks each worker for a new service.
#[derive(Clone, Debug)]
pub(super) struct RenewalRequest {
    done: mpsc::Sender<()>,
}

/// The receiver of one worker.
pub(super) type RenewalRequests = watch::Receiver<Option<RenewalRequest>>;

// === impl Renewal ===

impl Renewal {
    /// The time that [`Self::renew`] waits for the workers.
    pub const PATIENCE: Duration = Duration::from_secs(5);

    pub(super) fn new(workers: usize) -> Self {
        Self {
            requests: watch::Sender::new(None),
            workers,
        }
    }

    pub(super) fn subscribe(&self) -> RenewalRequests {
        self.requests.subscribe()
    }

    /// Calls the factory of each worker again, and serves all later requests by the new services, also on open
    /// connections. Requests in progress finish on the old ones, and no connection is closed. Blocks until all
    /// workers have done so; they do not wait for one another.
    ///
    /// # Errors
    ///
    /// Fails if a worker does not take a new service within [`Self::PATIENCE`], because it drains or its factory
    /// panicked: it goes on with the old one.
    pub fn renew(&self) -> Result<(), RenewalError> {
        let (done, finished) = mpsc::channel();
        self.requests.send_replace(Some(RenewalRequest { done }));
        let deadline = Instant::now() + Self::PATIENCE;
        for renewed in 0..self.workers {
            let left = deadline.saturating_duration_since(Instant::now());
            if finished.recv_timeout(left).is_err() {
                return Err(RenewalError {
                    left: self.workers - renewed,
                    workers: self.workers,
                });
            }
        }
        Ok(())
    }
}

/// Replaces the service of one worker on each request, until the workers are dropped.
pub(super) async fn renew_services<S: HttpService>(
    mut requests: RenewalRequests,
    service: &WorkerService<S>,
    tunnels: &Tunnels,
    factory: &dyn Fn(&Tunnels) -> S,
) {
    while requests.changed().await.is_ok() {
        let request = requests.borrow_and_update().clone();
        if let Ok(renewed) = catch_unwind(AssertUnwindSafe(|| factory(tunnels))) {
            service.replace(renewed);
            // The handle may have stopped to wait.
            let _ = request.map(|request| request.done.send(()));
        } else {
            error!(
                target: "gabion::proxy",
                "the factory of a worker's service panicked; the previous service stays in use"
            );
        }
    }
}
