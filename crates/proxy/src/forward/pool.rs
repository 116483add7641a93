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
    again::{Again, is_an_end},
    error::Failure,
    link::Link,
    options::ProxyOptions,
    outbound::Outbound,
    resolve::Resolver,
    upload::Upload,
};
use crate::{Upstream, serve::KEEP_ALIVE_PROBES};

/// The connections to one upstream that nobody uses at the moment.
///
/// The last one that was put in is the first to be taken, so that the others grow old and are closed.
pub(super) struct Pool {
    connector: HttpConnector<Resolver>,
    target: Uri,
    /// How long a connection is kept.
    patience: Duration,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// With the time from when on they are free, the oldest first.
    links: Vec<(Link, Instant)>,
    is_swept: bool,
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
            patience: options.pool_idle,
            idle: Mutex::default(),
        }
    }

    /// Sends a request over a connection that was kept, or else over a new one; the head of its answer,
    /// and what the rest of it comes over.
    pub(super) async fn ask(
        &self,
        mut request: Request<Upload>,
    ) -> Result<(Response<Incoming>, Link), Failure> {
        while let Some(mut link) = self.take() {
            let again = Again::of(&request);
            let mut error = match link.ask(request).await {
                Ok(response) => return Ok((response, link)),
                Err(error) => error,
            };
            // Closed just now, and nothing was sent.
            if let Some(unsent) = error.take_message() {
                request = unsent;
                continue;
            }
            let error = error.into_error();
            request = match again {
                Some(again) if is_an_end(&error) => again.request(),
                _ => return Err(error.into()),
            };
            break;
        }
        let mut link = connect(self.connector.clone(), self.target.clone()).await?;
        let answer = link.ask(request).await;
        let response = answer.map_err(TrySendError::into_error)?;
        Ok((response, link))
    }

    /// A connection that was kept; none where all are too old.
    fn take(&self) -> Option<Link> {
        let (link, since) = self.idle().links.pop()?;
        (since.elapsed() < self.patience).then_some(link)
    }

    /// Keeps a connection whose exchange is over, as soon as it is free.
    pub(super) fn put(self: &Arc<Self>, mut link: Link) {
        if link.is_free() {
            return self.keep(link);
        }
        // Such as an upload that goes on after its answer.
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            if link.freed().await {
                pool.keep(link);
            }
        });
    }

    fn keep(self: &Arc<Self>, link: Link) {
        let mut idle = self.idle();
        if idle.links.len() == MAX_IDLE {
            drop(idle);
            return drop(link);
        }
        idle.links.push((link, Instant::now()));
        if !idle.is_swept {
            idle.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Closes what is too old; how long until there will be more of it, where any is left.
    fn close_old(&self) -> Option<Duration> {
        let mut idle = self.idle();
        let now = Instant::now();
        let is_old = |since: Instant| now.duration_since(since) >= self.patience;
        let old = idle.links.partition_point(|(_, since)| is_old(*since));
        let old: Vec<_> = idle.links.drain(..old).collect();
        let oldest = idle.links.first().map(|(_, since)| *since);
        idle.is_swept = oldest.is_some();
        drop(idle);
        drop(old);
        oldest.map(|since| (since + self.patience).duration_since(now))
    }

    /// Nothing panics while it is locked but an allocation, and then it is whole.
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes old connections until none is left.
async fn sweep(pool: Weak<Pool>) {
    while let Some(wait) = pool.upgrade().and_then(|pool| pool.close_old()) {
        sleep(wait).await;
    }
}

/// A connection to `target`, which speaks HTTP/1.1.
pub(super) async fn connect<C, S>(mut connector: C, target: Uri) -> Result<Link, Failure>
where
    C: Service<Uri, Response = S, Error: Into<Box<dyn Error + Send + Sync>>>,
    S: Read + Write + Unpin + Send + 'static,
{
    let unconnected = |error: C::Error| Failure::unconnected(error.into());
    poll_fn(|cx| connector.poll_ready(cx))
        .await
        .map_err(unconnected)?;
    let stream = connector.call(target).await.map_err(unconnected)?;
    Ok(Link::new(Outbound::new(stream)).await?)
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("target", &self.target)
            .field("idle", &self.idle().links.len())
            .finish_non_exhaustive()
    }
}
