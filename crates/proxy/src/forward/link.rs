//! One connection to the upstream, driven by whoever has it.

use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
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

use super::upload::Upload;

/// A connection to the upstream, which takes one exchange after the other.
///
/// It has no task of its own: it moves on when its exchange is polled, in the task that serves the
/// client. So a request takes no detour through two queues and back.
pub(super) struct Link {
    requests: SendRequest<Upload>,
    /// None once it is over.
    connection: Option<Connection>,
}

type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// What hyper says of a request that was not answered; with the request, where nothing of it was sent.
pub(super) type AskError = TrySendError<Request<Upload>>;

// === impl Link ===

impl Link {
    /// Speaks HTTP/1.1 on `stream`.
    pub(super) async fn new<S>(stream: S) -> hyper::Result<Self>
    where
        S: Read + Write + Unpin + Send + 'static,
    {
        let (requests, connection) = http1::handshake(stream).await?;
        Ok(Self {
            requests,
            connection: Some(Box::pin(connection.with_upgrades())),
        })
    }

    /// Sends a request, and waits for the head of its answer.
    pub(super) async fn ask(
        &mut self,
        request: Request<Upload>,
    ) -> Result<Response<Incoming>, AskError> {
        let mut answer = pin!(unconstrained(self.requests.try_send_request(request)));
        poll_fn(|cx| {
            self.drive(cx);
            answer.as_mut().poll(&mut deaf())
        })
        .await
    }

    /// Moves on with whatever is to be read or written.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && connection.as_mut().poll(cx).is_ready()
        {
            self.connection = None;
        }
    }

    /// Whether it can take another exchange.
    pub(super) fn is_free(&self) -> bool {
        self.connection.is_some() && self.requests.is_ready()
    }

    /// Waits until it can take another exchange; false where it never will.
    pub(super) async fn freed(&mut self) -> bool {
        poll_fn(|cx| {
            self.drive(cx);
            match self.connection {
                None => Poll::Ready(false),
                Some(_) if self.is_free() => Poll::Ready(true),
                Some(_) => Poll::Pending,
            }
        })
        .await
    }
}

/// For what only the link itself can wake: whoever drives it looks afterwards, and need not be woken
/// to do so.
pub(super) const fn deaf() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("is_free", &self.is_free())
            .finish_non_exhaustive()
    }
}
