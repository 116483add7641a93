//! A pool of upstream connections.

use std::{
    error::Error,
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use http::{Request, Response, Uri};
use hyper::{
    body::Incoming,
    client::conn::TrySendError,
    rt::{Read, Write},
};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::{Instant, sleep};
use tower_service::Service;

use super::{
    error::Failure,
    options::ProxyOptions,
    resolve::Resolver,
    retry::{RetryableRequest, is_connection_loss},
    upload::Upload,
    upstream_connection::UpstreamConnection,
    upstream_io::UpstreamIo,
};
use crate::{HeaderCase, Upstream, tcp::KEEP_ALIVE_PROBES};

/// The idle connections to one upstream.
///
/// The connection that was returned last is taken first, so that the others expire and are closed.
pub(super) struct Pool {
    connector: HttpConnector<Resolver>,
    target: Uri,
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

/// The most idle connections that are kept. Further ones are closed.
const MAX_IDLE: usize = 512;

// === impl Pool ===

impl Pool {
    pub(super) fn new(upstream: &Upstream, options: &ProxyOptions) -> Self {
        let mut connector = HttpConnector::new_with_resolver(Resolver::new());
        connector.set_connect_timeout(Some(options.connect_timeout));
        connector.set_nodelay(true);
        connector.set_keepalive(Some(KEEP_ALIVE_PROBES));
        Self {
            connector,
            target: upstream.uri().clone(),
            idle_timeout: options.pool_idle,
            header_case: options.header_case,
            idle: Mutex::default(),
        }
    }

    /// Sends a request on an idle connection, or on a new one if there is none. Returns the
    /// response and the connection that its body arrives on.
    pub(super) async fn send(
        &self,
        mut request: Request<Upload>,
    ) -> Result<(Response<Incoming>, UpstreamConnection), Failure> {
        while let Some(mut connection) = self.take() {
            let copy = RetryableRequest::from_request(&request);
            let mut error = match connection.send(request).await {
                Ok(response) => return Ok((response, connection)),
                Err(error) => error,
            };
            // The connection was closed before anything was sent.
            if let Some(unsent) = error.take_message() {
                request = unsent;
                continue;
            }
            let error = error.into_error();
            request = match copy {
                Some(copy) if is_connection_loss(&error) => copy.into_request(),
                _ => return Err(error.into()),
            };
            break;
        }
        let mut connection = connect(
            self.connector.clone(),
            self.target.clone(),
            self.header_case,
        )
        .await?;
        let response = connection.send(request).await;
        let response = response.map_err(TrySendError::into_error)?;
        Ok((response, connection))
    }

    /// Takes an idle connection; `None` if all have expired.
    fn take(&self) -> Option<UpstreamConnection> {
        let (connection, since) = self.idle().connections.pop()?;
        (since.elapsed() < self.idle_timeout).then_some(connection)
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

/// Closes expired connections until the pool is empty.
async fn sweep(pool: Weak<Pool>) {
    while let Some(wait) = pool.upgrade().and_then(|pool| pool.close_expired()) {
        sleep(wait).await;
    }
}

/// Connects to `target` over HTTP/1.1.
pub(super) async fn connect<C, S>(
    mut connector: C,
    target: Uri,
    header_case: HeaderCase,
) -> Result<UpstreamConnection, Failure>
where
    C: Service<Uri, Response = S, Error: Into<Box<dyn Error + Send + Sync>>>,
    S: Read + Write + Unpin + Send + 'static,
{
    let connect_failed = |error: C::Error| Failure::from_connect_error(error.into());
    poll_fn(|cx| connector.poll_ready(cx))
        .await
        .map_err(connect_failed)?;
    let stream = connector.call(target).await.map_err(connect_failed)?;
    Ok(UpstreamConnection::new(UpstreamIo::new(stream), header_case).await?)
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("target", &self.target)
            .field("idle", &self.idle().connections.len())
            .finish_non_exhaustive()
    }
}
