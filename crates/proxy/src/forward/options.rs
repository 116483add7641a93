//! Options of the proxy toward its upstream.

use std::{sync::Arc, time::Duration};

use gabion_core::Sink;

use super::{claims::RemovedClaims, pool_registry::PoolRegistry, readiness::Readiness};
use crate::{
    Capacity, HeaderCase, Tunnels, UpstreamGroup, capacity::Places, event_sink::EventSink,
    tunnel::UpstreamIdleTimeouts,
};

/// Timeouts, pings and the event sink of a [`Proxy`](super::Proxy).
///
/// Proxies that are made with clones of one value share the idle timeouts that they detect on the
/// upstream's side, the record of the claims that they reported, the number of requests in progress, and, in one
/// worker, the connections to the members of a group that they share.
///
/// ```
/// # use std::{
/// #     io::{self, Read, Write},
/// #     net::{TcpListener, TcpStream},
/// #     num::NonZeroUsize,
/// #     thread,
/// # };
/// use std::time::Duration;
///
/// use gabion_proxy::{Proxy, ProxyOptions, ServeOptions, Upstream, workers};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = TcpListener::bind("127.0.0.1:0")?;
/// # let upstream: Upstream = format!("http://{}", server.local_addr()?).parse()?;
/// # thread::spawn(move || -> io::Result<()> {
/// #     let (mut first, _) = server.accept()?;
/// #     first.read(&mut [0; 1024])?;
/// #     first.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")?;
/// #     drop(first);
/// #     let (mut silent, _) = server.accept()?;
/// #     silent.read_to_end(&mut Vec::new()).map(drop)
/// # });
/// let options = ProxyOptions::default()
///     .with_connect_timeout(Duration::from_secs(1))
///     .with_head_timeout(Duration::from_millis(500))
///     .with_pool_idle(Duration::from_secs(60))
///     .with_ping(None);
/// # let workers = workers(
/// #     NonZeroUsize::MIN,
/// #     "127.0.0.1:0".parse()?,
/// #     &ServeOptions::default(),
/// #     move |tunnels| Proxy::new(upstream.clone(), &options, tunnels.clone()),
/// # )?;
/// # let get = || -> io::Result<String> {
/// #     let mut client = TcpStream::connect(workers.local_addr())?;
/// #     client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
/// #     let mut response = String::new();
/// #     client.read_to_string(&mut response)?;
/// #     Ok(response)
/// # };
///
/// // The upstream answers the first request, and is silent on the second.
/// assert!(get()?.starts_with("HTTP/1.1 204 No Content\r\n"));
/// assert!(get()?.starts_with("HTTP/1.1 504 Gateway Timeout\r\n"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ProxyOptions {
    pub(super) connect_timeout: Duration,
    pub(super) head_timeout: Duration,
    pub(super) receive_timeout: Duration,
    pub(super) pool_idle: Duration,
    pub(super) ping: Option<Duration>,
    pub(super) header_case: HeaderCase,
    pub(super) event_sink: EventSink,
    pub(super) idle_timeouts: Arc<UpstreamIdleTimeouts>,
    pub(super) removed_claims: Arc<RemovedClaims>,
    pub(super) in_progress: Arc<Places>,
    pub(super) capacity: Capacity,
    pub(super) readiness: Option<Readiness>,
    pub(super) pools: Arc<PoolRegistry>,
}

// === impl ProxyOptions ===

impl Default for ProxyOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            head_timeout: Duration::from_mins(1),
            receive_timeout: Duration::from_mins(1),
            // Below the 5 s after which Node and uvicorn close idle connections, so that no request
            // is sent on a connection that is being closed.
            pool_idle: Duration::from_secs(4),
            // Less than half of the 60 s that most hops default to, so that one ping may be lost.
            ping: Some(Duration::from_secs(25)),
            header_case: HeaderCase::default(),
            event_sink: EventSink::default(),
            idle_timeouts: Arc::default(),
            removed_claims: Arc::default(),
            in_progress: Arc::default(),
            capacity: Capacity::default(),
            readiness: None,
            pools: Arc::default(),
        }
    }
}

impl ProxyOptions {
    /// Sets the time the upstream may take to accept a connection: 5 s by default. Beyond it the
    /// client gets 504.
    pub fn with_connect_timeout(self, connect_timeout: Duration) -> Self {
        Self {
            connect_timeout,
            ..self
        }
    }

    /// Sets the time an exchange may make no progress before the response head arrives: 60 s by
    /// default, and up to twice that after a request body that made progress. Beyond it the client
    /// gets 504, or 408 if its own body stalled. After the head, nothing is timed.
    pub fn with_head_timeout(self, head_timeout: Duration) -> Self {
        Self {
            head_timeout,
            ..self
        }
    }

    /// Sets the longest time in which nothing of a request body may arrive, if its length was announced: 60 s by
    /// default, as in nginx. All waits together may take so long, too, and a second for each 500 bytes that
    /// arrived. Beyond it the client gets 408, or the connection ends if the response has begun. Bodies of
    /// unknown length, as in gRPC, may be silent.
    pub fn with_receive_timeout(self, receive_timeout: Duration) -> Self {
        Self {
            receive_timeout,
            ..self
        }
    }

    /// Sets how long an idle connection is kept for the next request: 4 s by default. Keep it below
    /// the upstream's own idle timeout.
    pub fn with_pool_idle(self, pool_idle: Duration) -> Self {
        Self { pool_idle, ..self }
    }

    /// Sets how long the upstream of a WebSocket may be silent before it is pinged: 25 s by
    /// default; `None` turns pings off. If two pings stay unanswered, the socket is closed with
    /// 1011. Session limits from a layer in front ([`gabion_core::SessionLimits::ping`]) take
    /// precedence.
    pub fn with_ping(self, ping: Option<Duration>) -> Self {
        Self { ping, ..self }
    }

    /// Sets how many requests may be in progress, of all clients and of each, on any number of connections and
    /// streams. A request is in progress until its response was sent, a WebSocket until it is closed. One beyond
    /// the capacity gets 503, or 429 if that of its client is reached, with `Retry-After`. The client is that of
    /// a layer in front ([`ClientIp`](gabion_core::ClientIp)), or else the peer.
    pub fn with_capacity(self, capacity: Capacity) -> Self {
        Self { capacity, ..self }
    }

    /// Sets the path at which the proxy itself answers health checks: none by default.
    pub fn with_readiness(self, readiness: Readiness) -> Self {
        let readiness = Some(readiness);
        Self { readiness, ..self }
    }

    /// Sets the case of header names in requests: lower case by default.
    pub fn with_header_case(self, header_case: HeaderCase) -> Self {
        Self {
            header_case,
            ..self
        }
    }

    /// Closes the idle connections of a worker to upstreams that are in none of `groups`. Call it after the proxies
    /// of the worker were replaced by others of the same options: connections with a request in progress close after
    /// it.
    pub fn close_unused(&self, tunnels: &Tunnels, groups: &[UpstreamGroup]) {
        self.pools.close_unused(tunnels.worker(), groups);
    }

    /// Sets the destination for requests that are not forwarded
    /// ([`Event::ProxyFailure`](gabion_core::Event::ProxyFailure)), for diagnoses of WebSockets that do not
    /// open or do not stay open ([`Event::Diagnosis`](gabion_core::Event::Diagnosis)), and for the first
    /// removal of each header that only a trusted proxy may write
    /// ([`Event::ClaimRemoved`](gabion_core::Event::ClaimRemoved)). If unset, they are dropped.
    pub fn with_sink(self, sink: Arc<dyn Sink>) -> Self {
        let event_sink = EventSink::new(sink);
        Self { event_sink, ..self }
    }
}
