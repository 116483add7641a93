//! The connections of one worker to one upstream.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header::UPGRADE};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep};

use super::{
    error::Failure,
    http2_pool::{Http2Connection, Http2Pool},
    options::ProxyOptions,
    retry::{RequestSlot, RetryableRequest, Unanswered},
    upload::Upload,
    upstream_connection::UpstreamConnection,
    upstream_io::UpstreamIo,
};
use crate::{
    HeaderCase,
    upstream::{Connector, Group, HttpVersion, Lease, Member},
};

/// The connections to one upstream: idle ones for HTTP/1.1, shared ones for HTTP/2.
///
/// The connection that was returned last is taken first, so that the others expire and are closed.
pub(super) struct Pool {
    connector: Connector,
    /// Set if the upstream speaks HTTP/2. WebSocket handshakes do not use it.
    http2: Option<Http2Pool>,
    /// Requests on new connections are copied, because another upstream may answer them.
    has_alternative: bool,
    /// The time after which an idle connection is closed.
    idle_timeout: Duration,
    header_case: HeaderCase,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// Each with the time at which it became idle, the oldest first.
    connections: Vec<(UpstreamConnection, Instant)>,
    has_sweeper: bool,
}

/// A response with the connection that its body arrives on.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) response: Response<Incoming>,
    pub(super) connection: ResponseConnection,
    /// The request counts as in progress at its upstream until this is dropped.
    pub(super) lease: Option<Lease>,
}

/// The connection that a response arrives on, until its body has ended.
#[derive(Debug)]
pub(super) enum ResponseConnection {
    /// Driven by the task that reads the response, and then returned to its pool.
    Http1(UpstreamConnection, Arc<Pool>),
    /// Driven by a task of its own, and held to count its streams.
    Http2 { _streams: Arc<Http2Connection> },
}

/// The connections that a request may be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    /// An idle one, or else a new one.
    Idle,
    /// A new one only.
    Never,
}

/// The most idle connections that are kept. Further ones are closed.
const MAX_IDLE: usize = 512;

// === impl Pool ===

impl Pool {
    pub(super) fn new(group: &Group, member: &Arc<Member>, options: &ProxyOptions) -> Self {
        let is_http2 = member.upstream().http_version() == HttpVersion::Http2;
        Self {
            connector: Connector::new(group, member, options.connect_timeout),
            http2: is_http2.then(Http2Pool::default),
            has_alternative: !group.has_one_member(),
            idle_timeout: options.pool_idle,
            header_case: options.header_case,
            idle: Mutex::default(),
        }
    }

    /// Sends the request in `slot` on an idle connection, or on a new one. Without a response, the request is in the
    /// slot if it may be sent again.
    pub(super) async fn send(
        self: &Arc<Self>,
        slot: &mut RequestSlot,
        reuse: Reuse,
        lease: Option<Lease>,
    ) -> Result<Exchange, Unanswered> {
        if let Some(http2) = &self.http2
            && slot.as_ref().is_some_and(|request| !is_handshake(request))
        {
            let sent = Box::pin(http2.send(&self.connector, slot)).await;
            let exchange = |(response, streams)| Exchange {
                response,
                connection: ResponseConnection::Http2 { _streams: streams },
                lease,
            };
            return sent.map(exchange);
        }
        while reuse == Reuse::Idle
            && let Some(mut connection) = self.take()
            && let Some(request) = slot.take()
        {
            let copy = RetryableRequest::from_request(&request);
            let mut error = match connection.send(request).await {
                Ok(response) => return Ok(self.exchange(response, connection, lease)),
                Err(error) => error,
            };
            // Otherwise the connection was closed before anything was sent.
            *slot = error.take_message();
            if slot.is_none() {
                return Err(Unanswered::lost(error.into_error(), copy, slot));
            }
        }
        // Connecting is rare; boxed, it does not enlarge the future of each request.
        let connected = Box::pin(self.connect()).await;
        let mut connection = connected.map_err(Unanswered::unsent)?;
        let request = slot.take().ok_or_else(Unanswered::already_sent)?;
        let copy = self
            .has_alternative
            .then(|| RetryableRequest::from_request(&request));
        match connection.send(request).await {
            Ok(response) => Ok(self.exchange(response, connection, lease)),
            Err(error) => Err(Unanswered::lost(error.into_error(), copy.flatten(), slot)),
        }
    }

    fn exchange(
        self: &Arc<Self>,
        response: Response<Incoming>,
        connection: UpstreamConnection,
        lease: Option<Lease>,
    ) -> Exchange {
        Exchange {
            response,
            connection: ResponseConnection::Http1(connection, Arc::clone(self)),
            lease,
        }
    }

    /// Connects over HTTP/1.1.
    async fn connect(&self) -> Result<UpstreamConnection, Failure> {
        let generation = self.connector.member().resolution().generation();
        let stream = self.connector.connect(HttpVersion::Http1).await?;
        let stream = UpstreamIo::new(stream);
        let connection = UpstreamConnection::new(stream, self.header_case, generation).await;
        Ok(connection?)
    }

    /// Takes an idle connection; `None` if all have expired. One to a former address of the upstream is closed.
    fn take(&self) -> Option<UpstreamConnection> {
        let (connection, since) = self.idle().connections.pop()?;
        let now = Instant::now();
        let resolution = self.connector.member().resolution();
        resolution.refresh(now);
        let is_current = now.duration_since(since) < self.idle_timeout
            && connection.generation() == resolution.generation();
        is_current.then_some(connection)
    }

    /// Returns a connection to the pool after its exchange, as soon as it can take another.
    pub(super) fn put(self: &Arc<Self>, mut connection: UpstreamConnection) {
        if connection.is_ready() {
            return self.insert_idle(connection);
        }
        // For example an upload that continues after its response.
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            if connection.ready().await {
                pool.insert_idle(connection);
            }
        });
    }

    fn insert_idle(self: &Arc<Self>, connection: UpstreamConnection) {
        let mut idle = self.idle();
        if idle.connections.len() == MAX_IDLE {
            drop(idle);
            return drop(connection);
        }
        idle.connections.push((connection, Instant::now()));
        if !idle.has_sweeper {
            idle.has_sweeper = true;
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Closes expired connections. Returns the time until the next one expires, if any is left.
    fn close_expired(&self) -> Option<Duration> {
        let mut idle = self.idle();
        let now = Instant::now();
        let is_expired = |since: Instant| now.duration_since(since) >= self.idle_timeout;
        let expired = idle
            .connections
            .partition_point(|(_, since)| is_expired(*since));
        let expired: Vec<_> = idle.connections.drain(..expired).collect();
        let oldest = idle.connections.first().map(|(_, since)| *since);
        idle.has_sweeper = oldest.is_some();
        drop(idle);
        drop(expired);
        oldest.map(|since| (since + self.idle_timeout).duration_since(now))
    }

    /// A panic under this lock could only come from an allocation, which leaves the data
    /// consistent.
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl ResponseConnection ===

impl ResponseConnection {
    /// Polls the body, and drives the connection if that is needed.
    pub(super) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut Incoming,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self {
            Self::Http1(connection, _) => {
                connection.poll(cx, |cx| Pin::new(&mut *body).poll_frame(cx))
            }
            Self::Http2 { .. } => Pin::new(body).poll_frame(cx),
        }
    }

    /// Gives the connection back after its exchange.
    pub(super) fn release(self) {
        if let Self::Http1(connection, pool) = self {
            pool.put(connection);
        }
    }
}

/// Returns `true` for a WebSocket handshake: of the hop-by-hop headers, only that has any left.
fn is_handshake(request: &Request<Upload>) -> bool {
    request.headers().contains_key(UPGRADE)
}

/// Closes expired connections until the pool is empty.
async fn sweep(pool: Weak<Pool>) {
    while let Some(wait) = pool.upgrade().and_then(|pool| pool.close_expired()) {
        sleep(wait).await;
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("upstream", self.connector.member().upstream())
            .field("idle", &self.idle().connections.len())
            .finish_non_exhaustive()
    }
}
