//! Tasks that are counted, awaited and canceled.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::cancellation::Cancellation;

/// A count of the upgraded connections that a [`Proxy`](crate::Proxy) holds open.
///
/// A clone is another handle on the same count: the proxy opens tunnels, and the accept loop
/// ([`serve`](crate::serve)) waits for them when it drains.
///
/// ```
/// # use std::{
/// #     io::{self, Read, Write},
/// #     net::{TcpListener, TcpStream},
/// #     num::NonZeroUsize,
/// #     sync::mpsc,
/// #     thread,
/// #     time::Duration,
/// # };
/// use gabion_proxy::{Proxy, ProxyOptions, ServeOptions, Tunnels, Upstream, workers};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = TcpListener::bind("127.0.0.1:0")?;
/// # let upstream: Upstream = format!("http://{}", server.local_addr()?).parse()?;
/// # thread::spawn(move || -> io::Result<()> {
/// #     let (mut stream, _) = server.accept()?;
/// #     stream.read(&mut [0; 1024])?;
/// #     stream.write_all(
/// #         b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
/// #           Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
/// #     )?;
/// #     stream.read(&mut [0; 1]).map(drop)
/// # });
/// let (sender, receiver) = mpsc::channel();
/// let new_proxy = move |tunnels: &Tunnels| {
///     sender.send(tunnels.clone()).unwrap();
///     Proxy::new(upstream.clone(), &ProxyOptions::default(), tunnels.clone())
/// };
/// let options = ServeOptions::default();
/// let workers = workers(NonZeroUsize::MIN, "127.0.0.1:0".parse()?, &options, new_proxy)?;
/// let tunnels = receiver.recv()?;
/// assert_eq!(tunnels.open(), 0);
///
/// let mut client = TcpStream::connect(workers.local_addr())?;
/// client.write_all(
///     b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
///       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
/// )?;
/// let mut status = [0; 12];
/// client.read_exact(&mut status)?;
/// assert_eq!(&status, b"HTTP/1.1 101");
/// assert_eq!(tunnels.open(), 1);
///
/// // A drain without a grace period closes it.
/// assert_eq!(workers.shutdown(Duration::ZERO).tunnels, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Tunnels {
    worker: WorkerId,
    tasks: TaskSet,
    closed: Arc<AtomicBool>,
}

/// The accept loop that a count of tunnels belongs to, as a number that no other one of this process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkerId(u64);

pin_project! {
    /// A task that can be canceled. It is a named type because an `async` block would hold the task
    /// twice.
    struct Cancellable<T> {
        #[pin]
        task: T,
        #[pin]
        cancel: Cancellation,
    }
}

/// A set of spawned tasks. A task that ends leaves the set.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskSet {
    tracker: TaskTracker,
    cancel: CancellationToken,
}

// === impl Tunnels ===

impl Tunnels {
    /// Returns the number of open tunnels.
    pub fn open(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) const fn worker(&self) -> WorkerId {
        self.worker
    }

    pub(crate) const fn tasks(&self) -> &TaskSet {
        &self.tasks
    }

    /// Refuses new tunnels from now on: the accept loop drains.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl Default for Tunnels {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            worker: WorkerId(NEXT.fetch_add(1, Ordering::Relaxed)),
            tasks: TaskSet::default(),
            closed: Arc::default(),
        }
    }
}

// === impl TaskSet ===

impl TaskSet {
    /// Runs `task` until it ends or is canceled.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancel = Cancellation::new(self.cancel.clone());
        self.tracker.spawn(Cancellable { task, cancel });
    }

    pub(crate) fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until no task is left. More tasks may be spawned meanwhile.
    pub(crate) async fn wait_idle(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Drops the remaining tasks, and every later one.
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
