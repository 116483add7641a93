//! Tasks that are counted, waited for, and cut.

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The upgraded connections that a [`Proxy`](crate::Proxy) holds open.
///
/// A clone is another handle on the same count: the proxy opens tunnels, and the accept loop waits
/// for them when it drains.
#[derive(Clone, Debug, Default)]
pub struct Tunnels(Tasks);

/// A set of spawned tasks. It forgets a task that ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    cut: CancellationToken,
}

// === impl Tunnels ===

impl Tunnels {
    /// How many are open.
    pub fn open(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.0
    }
}

// === impl Tasks ===

impl Tasks {
    /// Runs `task` until it ends or is cut.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cut = self.cut.clone();
        self.tracker.spawn(async move {
            cut.run_until_cancelled(task).await;
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until no task is left. More may be spawned meanwhile.
    pub(crate) async fn idle(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Drops the tasks that are left, and every later one.
    pub(crate) async fn cut(&self) {
        self.cut.cancel();
        self.idle().await;
    }
}
