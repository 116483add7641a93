//! One connection to the upstream, driven by the task that owns it.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
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
};
use pin_project_lite::pin_project;
use tokio::task::unconstrained;

use super::{
    driver_waker::{DriverWaker, noop_context},
    upload::Upload,
    upstream_io::UpstreamIo,
};
use crate::HeaderCase;

/// A connection to the upstream that carries one exchange after another.
///
/// It has no task of its own. It advances when its exchange is polled, in the task that serves the
/// client, so that a request does not pass through two queues and back.
pub(super) struct UpstreamConnection {
    requests: SendRequest<Upload>,
    /// `None` once the connection is closed.
    connection: Option<Connection>,
    driver_waker: Arc<DriverWaker>,
    /// A waker of `driver_waker`.
    waker: Waker,
    /// The generation of the addresses that it was made with.
    generation: usize,
}

pin_project! {
    /// Waits for a response head. It is a named type because an `async` block would hold the response twice.
    struct Sending<'c, F> {
        connection: &'c mut UpstreamConnection,
        #[pin]
        response: F,
    }
}

type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// hyper's error for a request without a response; it holds the request if nothing of it was sent.
pub(super) type SendError = TrySendError<Request<Upload>>;

/// The most bytes of a response that are read ahead for a client that does not take them. hyper's default
/// is 400 KiB.
const MAX_BUFFER: usize = 64 * 1024;

/// The most polls before the task yields: a task that used up its tokio budget (`coop`) is woken
/// each time.
const MAX_ROUNDS: usize = 2;

// === impl UpstreamConnection ===

impl UpstreamConnection {
    /// Performs the HTTP/1.1 client setup on `stream`.
    pub(super) async fn new(
        stream: UpstreamIo,
        header_case: HeaderCase,
        generation: usize,
    ) -> hyper::Result<Self> {
        let mut builder = http1::Builder::new();
        builder
            .preserve_header_case(header_case.is_kept())
            .max_buf_size(MAX_BUFFER);
        let (requests, connection) = builder.handshake(stream).await?;
        let driver_waker = Arc::<DriverWaker>::default();
        Ok(Self {
            requests,
            connection: Some(Box::pin(connection.with_upgrades())),
            waker: Waker::from(Arc::clone(&driver_waker)),
            driver_waker,
            generation,
        })
    }

    /// Sends a request and waits for the response head.
    pub(super) fn send(
        &mut self,
        request: Request<Upload>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> {
        let response = unconstrained(self.requests.try_send_request(request));
        Sending {
            connection: self,
            response,
        }
    }

    /// Polls `operation`, and drives the connection while it is pending.
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
            // After a result the caller polls again for more.
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

    pub(super) const fn generation(&self) -> usize {
        self.generation
    }

    /// Returns `true` if the connection can take another exchange.
    pub(super) fn is_ready(&self) -> bool {
        self.connection.is_some() && self.requests.is_ready()
    }

    /// Waits until the connection can take another exchange. Returns `false` if it is closed.
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
        f.debug_struct("UpstreamConnection")
            .field("is_ready", &self.is_ready())
            .finish_non_exhaustive()
    }
}

// === impl Sending ===

impl<F: Future> Future for Sending<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let response = &mut this.response;
        this.connection.poll(cx, |cx| response.as_mut().poll(cx))
    }
}
