//! One HTTP/2 connection to an upstream.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::upload::Upload;
use crate::upstream::UpstreamStream;

/// An HTTP/2 connection, driven by a task of its own. Each of its streams holds an `Arc` of it.
pub(super) struct Http2Connection {
    requests: SendRequest<Upload>,
    /// Returns the number of streams that the upstream allows at this moment.
    max_streams: Box<dyn Fn() -> usize + Send + Sync>,
    /// The generation of the addresses that it was made with.
    generation: usize,
}

/// The most bytes of a response that are read ahead for a client that does not take them.
const STREAM_WINDOW: u32 = 64 * 1024;

/// The most streams of a connection, whatever the upstream allows.
const MAX_STREAMS: usize = 100;

/// Room for all streams, so that those whose clients do not read never stop the others.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 100;

/// The interval of pings, which find a connection that leads nowhere.
const PING: Duration = Duration::from_secs(20);

/// The most bytes of all headers of a response.
const MAX_HEADER_LIST: u32 = 64 * 1024;

// === impl Http2Connection ===

impl Http2Connection {
    /// Performs the HTTP/2 client setup on `stream`, and drives the connection in a task.
    pub(super) async fn new(stream: UpstreamStream, generation: usize) -> hyper::Result<Self> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADER_LIST)
            .keep_alive_interval(PING)
            .keep_alive_while_idle(true);
        let (requests, connection) = builder.handshake(stream).await?;
        // Only the connection knows the limit, which may change at any time.
        let connection = Arc::new(Mutex::new(Some(connection)));
        let driven = Arc::clone(&connection);
        tokio::spawn(async move {
            poll_fn(|cx| {
                let mut connection = lock(&driven);
                let polled = connection
                    .as_mut()
                    .map(|connection| Pin::new(connection).poll(cx));
                if polled.is_some_and(|polled| polled.is_pending()) {
                    return Poll::Pending;
                }
                // The reason why it ended is the error of each stream. Dropped, it takes no more requests.
                *connection = None;
                Poll::Ready(())
            })
            .await;
        });
        let max_streams = move || {
            let connection = lock(&connection);
            connection
                .as_ref()
                .map_or(0, http2::Connection::current_max_send_streams)
        };
        Ok(Self {
            requests,
            max_streams: Box::new(max_streams),
            generation,
        })
    }

    pub(super) fn requests(&self) -> SendRequest<Upload> {
        self.requests.clone()
    }

    /// Returns `true` if it takes requests, and if it was made with this generation of addresses.
    pub(super) fn is_current(&self, generation: usize) -> bool {
        !self.requests.is_closed() && self.generation == generation
    }

    /// Returns the number of streams that it may have.
    pub(super) fn max_streams(&self) -> usize {
        (self.max_streams)().min(MAX_STREAMS)
    }
}

/// hyper does not panic while it holds this lock.
fn lock<T>(connection: &Mutex<T>) -> MutexGuard<'_, T> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Http2Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2Connection")
            .field("is_closed", &self.requests.is_closed())
            .finish_non_exhaustive()
    }
}
