//! HTTP/2 connections to one upstream.

use std::{
    fmt,
    future::poll_fn,
    io, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use http::{
    HeaderValue, Request, Response, Uri, Version,
    header::HOST,
    uri::{Authority, Scheme},
};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout};

use super::{
    error::{Failure, UpstreamError},
    retry::{RequestSlot, RetryableRequest, Unanswered},
    upload::Upload,
};
use crate::upstream::{Connector, HttpVersion, UpstreamStream};

/// The HTTP/2 connections to one upstream, which many exchanges share. Another one is opened when all carry as many
/// streams as the upstream allows.
#[derive(Debug, Default)]
pub(super) struct Http2Pool {
    connections: Mutex<Vec<Arc<Http2Connection>>>,
    /// Held while one task connects for all that wait, each as long as connecting may take.
    connecting: tokio::sync::Mutex<()>,
}

/// A connection. Each of its streams holds it.
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

/// How often a request is handed to another connection because the one before it just closed.
const MAX_ROUNDS: usize = 3;

// === impl Http2Pool ===

impl Http2Pool {
    /// Sends the request in `slot` on a stream of its own. Without a response, the request is in the slot if it may
    /// be sent again.
    pub(super) async fn send(
        &self,
        connector: &Connector,
        slot: &mut RequestSlot,
    ) -> Result<(Response<Incoming>, Arc<Http2Connection>), Unanswered> {
        for _ in 0..MAX_ROUNDS {
            let connected = self.connection(connector).await;
            let connection = connected.map_err(Unanswered::unsent)?;
            let request = slot.take().ok_or_else(Unanswered::already_sent)?;
            let copy = RetryableRequest::from_request(&request);
            let progress = Arc::clone(request.body().progress());
            let authority = connector.member().upstream().authority();
            let request = into_http2(request, authority);
            let mut error = match connection.requests.clone().try_send_request(request).await {
                Ok(response) => return Ok((response, connection)),
                Err(error) => error,
            };
            // The connection was closed before anything was sent: it is not chosen again.
            if let Some(unsent) = error.take_message() {
                *slot = Some(into_http1(unsent));
                continue;
            }
            let mut unanswered = Unanswered::lost(error.into_error(), copy, slot);
            // hyper does not report why an HTTP/2 request body failed.
            if let Some(failure) = progress.failure() {
                unanswered.failure = failure.into();
            }
            return Err(unanswered);
        }
        let closed = io::Error::other("it closes each HTTP/2 connection at once");
        Err(Unanswered::unsent(
            UpstreamError::Broken(closed.into()).into(),
        ))
    }

    /// Returns a connection with room for a stream.
    async fn connection(&self, connector: &Connector) -> Result<Arc<Http2Connection>, Failure> {
        let resolution = connector.member().resolution();
        resolution.refresh(Instant::now());
        let generation = resolution.generation();
        if let Some(connection) = self.with_room(generation) {
            return Ok(connection);
        }
        let connecting = timeout(connector.timeout(), self.connecting.lock()).await;
        let _connecting = connecting.map_err(|elapsed| {
            let error = io::Error::new(io::ErrorKind::TimedOut, elapsed);
            UpstreamError::ConnectTimeout(error.into())
        })?;
        if let Some(connection) = self.with_room(generation) {
            return Ok(connection);
        }
        let stream = connector.connect(HttpVersion::Http2).await?;
        let connection = Arc::new(Http2Connection::new(stream, generation).await?);
        lock(&self.connections).push(Arc::clone(&connection));
        Ok(connection)
    }

    /// Returns an open connection with room for a stream. Drops those that are closed or lead to an earlier
    /// address, and those without streams but one.
    fn with_room(&self, generation: usize) -> Option<Arc<Http2Connection>> {
        let mut connections = lock(&self.connections);
        let mut has_unused = false;
        connections.retain(|connection| {
            let is_unused = Arc::strong_count(connection) == 1;
            let is_spare = is_unused && mem::replace(&mut has_unused, true);
            !connection.requests.is_closed() && connection.generation == generation && !is_spare
        });
        let has_room = |connection: &&Arc<Http2Connection>| {
            // The pool itself holds one.
            let streams = Arc::strong_count(connection) - 1;
            streams < (connection.max_streams)().min(MAX_STREAMS)
        };
        connections.iter().find(has_room).cloned()
    }
}

// === impl Http2Connection ===

impl Http2Connection {
    /// Performs the HTTP/2 client setup on `stream`, and drives the connection in a task.
    async fn new(stream: UpstreamStream, generation: usize) -> hyper::Result<Self> {
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

/// Converts the head to HTTP/2: the host becomes the authority (RFC 9113, 8.3.1). hyper removes the transfer coding.
fn into_http2(mut request: Request<Upload>, upstream: &str) -> Request<Upload> {
    let host = request.headers_mut().remove(HOST);
    let authority: Option<Authority> = host
        .as_ref()
        .map(HeaderValue::as_bytes)
        .and_then(|host| host.try_into().ok())
        .or_else(|| upstream.parse().ok());
    let mut uri = mem::take(request.uri_mut()).into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = authority;
    *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
    *request.version_mut() = Version::HTTP_2;
    request
}

/// Reverts [`into_http2`] for a request that was not sent.
fn into_http1(mut request: Request<Upload>) -> Request<Upload> {
    let uri = mem::take(request.uri_mut()).into_parts();
    let host = uri.authority.as_ref().map(Authority::as_str);
    if let Some(host) = host.and_then(|host| HeaderValue::from_str(host).ok()) {
        request.headers_mut().insert(HOST, host);
    }
    *request.uri_mut() = uri.path_and_query.map_or_else(Uri::default, Uri::from);
    *request.version_mut() = Version::HTTP_11;
    request
}
