//! One connection to the upstream, driven by whoever has it.

use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{self, SendRequest},
    },
    rt::{Read, Write},
};
use tokio::task::unconstrained;

use super::{
    driver_waker::{DriverWaker, noop_context},
    upload::Upload,
};

/// A connection to the upstream, which takes one exchange after the other.
///
/// It has no task of its own: it moves on when its exchange is polled, in the task that serves the
/// client. So a request takes no detour through two queues and back.
pub(super) struct UpstreamConnection {
    requests: SendRequest<Upload>,
    /// None once it is over.
    connection: Option<Connection>,
    driver_waker: Arc<DriverWaker>,
    /// That of the nudge.
    waker: Waker,
}

type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// What hyper says of a request that was not answered; with the request, where nothing of it was sent.
pub(super) type SendError = TrySendError<Request<Upload>>;

/// How often it is looked again before others have their turn: who has had too much of it (tokio's
/// `coop`) is nudged each time.
const MAX_ROUNDS: usize = 2;

// === impl UpstreamConnection ===

impl UpstreamConnection {
    /// Speaks HTTP/1.1 on `stream`.
    pub(super) async fn new<S>(stream: S) -> hyper::Result<Self>
    where
        S: Read + Write + Unpin + Send + 'static,
    {
        let (requests, connection) = http1::handshake(stream).await?;
        let driver_waker = Arc::<DriverWaker>::default();
        Ok(Self {
            requests,
            connection: Some(Box::pin(connection.with_upgrades())),
            waker: Waker::from(Arc::clone(&driver_waker)),
            driver_waker,
        })
    }

    /// Sends a request, and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Upload>,
    ) -> Result<Response<Incoming>, SendError> {
        let mut answer = pin!(unconstrained(self.requests.try_send_request(request)));
        poll_fn(|cx| self.poll(cx, |cx| answer.as_mut().poll(cx))).await
    }

    /// Moves on with whatever is to be read or written, until `operation` sees what it looks for.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.driver_waker.register(cx);
        for _ in 0..MAX_ROUNDS {
            self.driver_waker.start_driving();
            let mut polled = operation(&mut noop_context());
            if polled.is_pending() {
                self.drive();
                polled = operation(&mut noop_context());
            }
            let woken = self.driver_waker.stop_driving();
            // Who has seen something comes again for more.
            if polled.is_ready() || !woken {
                return polled;
            }
        }
        self.driver_waker.wake_driver();
        Poll::Pending
    }

    fn drive(&mut self) {
        let mut cx = Context::from_waker(&self.waker);
        if let Some(connection) = &mut self.connection
            && connection.as_mut().poll(&mut cx).is_ready()
        {
            self.connection = None;
        }
    }

    /// Whether it can take another exchange.
    pub(super) fn is_ready(&self) -> bool {
        self.connection.is_some() && self.requests.is_ready()
    }

    /// Waits until it can take another exchange; false where it never will.
    pub(super) async fn ready(&mut self) -> bool {
        poll_fn(|cx| {
            self.driver_waker.register(cx);
            self.drive();
            match self.connection {
                None => Poll::Ready(false),
                Some(_) if self.is_ready() => Poll::Ready(true),
                Some(_) => Poll::Pending,
            }
        })
        .await
    }
}

impl fmt::Debug for UpstreamConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("is_free", &self.is_ready())
            .finish_non_exhaustive()
    }
}
