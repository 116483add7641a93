//! Connections to the upstream, kept from one exchange to the next.

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
use crate::{Upstream, serve::KEEP_ALIVE_PROBES};

/// The connections to one upstream that nobody uses at the moment.
///
/// The last one that was put in is the first to be taken, so that the others grow old and are closed.
pub(super) struct Pool {
    connector: HttpConnector<Resolver>,
    target: Uri,
    /// How long a connection is kept.
    idle_timeout: Duration,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// With the time from when on they are free, the oldest first.
    connections: Vec<(UpstreamConnection, Instant)>,
    has_sweeper: bool,
}

/// How many connections are kept at most. One beyond is closed.
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
            idle: Mutex::default(),
        }
    }

    /// Sends a request over a connection that was kept, or else over a new one; the head of its answer,
    /// and what the rest of it comes over.
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
            // Closed just now, and nothing was sent.
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
        let mut connection = connect(self.connector.clone(), self.target.clone()).await?;
        let response = connection.send(request).await;
        let response = response.map_err(TrySendError::into_error)?;
        Ok((response, connection))
    }

    /// A connection that was kept; none where all are too old.
    fn take(&self) -> Option<UpstreamConnection> {
        let (connection, since) = self.idle().connections.pop()?;
        (since.elapsed() < self.idle_timeout).then_some(connection)
    }

    /// Keeps a connection whose exchange is over, as soon as it is free.
    pub(super) fn put(self: &Arc<Self>, mut connection: UpstreamConnection) {
        if connection.is_ready() {
            return self.insert_idle(connection);
        }
        // Such as an upload that goes on after its answer.
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

    /// Closes what is too old; how long until there will be more of it, where any is left.
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

    /// Nothing panics while it is locked but an allocation, and then it is whole.
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes old connections until none is left.
async fn sweep(pool: Weak<Pool>) {
    while let Some(wait) = pool.upgrade().and_then(|pool| pool.close_expired()) {
        sleep(wait).await;
    }
}

/// A connection to `target`, which speaks HTTP/1.1.
pub(super) async fn connect<C, S>(
    mut connector: C,
    target: Uri,
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
    Ok(UpstreamConnection::new(UpstreamIo::new(stream)).await?)
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("target", &self.target)
            .field("idle", &self.idle().connections.len())
            .finish_non_exhaustive()
    }
}
