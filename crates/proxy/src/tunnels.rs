//! Tasks that are counted, waited for, and cut.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFutureOwned},
    task::TaskTracker,
};

/// The upgraded connections that a [`Proxy`](crate::Proxy) holds open.
///
/// A clone is another handle on the same count: the proxy opens tunnels, and the accept loop waits
/// for them when it drains.
#[derive(Clone, Debug, Default)]
pub struct Tunnels {
    tasks: TaskSet,
    closed: Arc<AtomicBool>,
}

pin_project! {
    /// A task that may be cut. A type of its own, since an `async` block would hold the task twice.
    struct Cancellable<T> {
        #[pin]
        task: T,
        #[pin]
        cancel: WaitForCancellationFutureOwned,
    }
}

/// A set of spawned tasks. It forgets a task that ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskSet {
    tracker: TaskTracker,
    cancel: CancellationToken,
}

// === impl Tunnels ===

impl Tunnels {
    /// How many are open.
    pub fn open(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) const fn tasks(&self) -> &TaskSet {
        &self.tasks
    }

    /// Opens none from now on: the accept loop drains.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

// === impl TaskSet ===

impl TaskSet {
    /// Runs `task` until it ends or is cut.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone().cancelled_owned();
        self.tracker.spawn(Cancellable { task, cancel });
    }

    pub(crate) fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until no task is left. More may be spawned meanwhile.
    pub(crate) async fn wait_idle(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Drops the tasks that are left, and every later one.
    pub(crate) async fn cancel(&self) {
        self.cancel.cancel();
        self.wait_idle().await;
    }
}

// === impl UntilCut ===

impl<T: Future<Output = ()>> Future for Cancellable<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.cancel.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        this.task.poll(cx)
    }
}
