//! Options of the accept loop.

use std::{sync::Arc, time::Duration};

use gabion_core::Sink;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::{Connections, head_memory::HeadMemory};
use crate::{HeaderCase, event_sink::EventSink, tls::Tls};

/// An HTTP/1.1 head that is not complete after this many bytes is answered 431 (hyper checks after
/// each read, so slightly more may pass). Bodies are read in chunks of at most this size.
const MAX_BUFFER: usize = 64 * 1024;

/// The most bytes of all headers of an HTTP/2 request.
const MAX_HEADER_LIST: u32 = 32 * 1024;

/// The most concurrent requests on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;

/// The interval of keep-alive pings on an HTTP/2 connection.
const HTTP2_PING: Duration = Duration::from_secs(20);

/// Protocols, timeouts and the registry of the connections that an accept loop serves.
///
/// It is used by [`serve`](crate::serve) and [`workers`](crate::workers).
///
/// ```
/// use std::{
///     io::Read,
///     net::TcpStream,
///     num::NonZeroUsize,
///     time::{Duration, Instant},
/// };
///
/// use gabion_proxy::{Protocols, Proxy, ProxyOptions, ServeOptions, Upstream, workers};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let options = ServeOptions::default()
///     .with_protocols(Protocols::Http1AndPriorKnowledge)
///     .with_header_timeout(Duration::from_millis(200));
/// let upstream: Upstream = "http://127.0.0.1:5000".parse()?;
/// let workers = workers(NonZeroUsize::MIN, "127.0.0.1:0".parse()?, &options, move |tunnels| {
///     Proxy::new(upstream.clone(), &ProxyOptions::default(), tunnels.clone())
/// })?;
///
/// // A client that sends nothing is disconnected after the timeout, and not before.
/// let connected = Instant::now();
/// let mut client = TcpStream::connect(workers.local_addr())?;
/// assert_eq!(client.read(&mut [0])?, 0);
/// assert!(connected.elapsed() >= Duration::from_millis(200));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ServeOptions {
    pub(super) protocols: Protocols,
    pub(super) header_timeout: Duration,
    pub(super) send_timeout: Duration,
    pub(super) header_case: HeaderCase,
    pub(super) connections: Option<Arc<Connections>>,
    pub(super) head_memory: Arc<HeadMemory>,
    pub(super) event_sink: EventSink,
    pub(super) shares_port: bool,
    pub(super) tls: Option<Tls>,
    pub(super) proxy_protocol: ProxyProtocol,
}

/// The protocols that an accept loop supports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocols {
    /// HTTP/1.1 and HTTP/1.0.
    #[default]
    Http1,
    /// Also HTTP/2 with prior knowledge: the client begins with the connection preface. It is for
    /// load balancers and programs; browsers do not use it.
    Http1AndPriorKnowledge,
}

/// The use of the PROXY protocol (versions 1 and 2), in whose header, at the beginning of a connection, a balancer
/// that forwards TCP connections names the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyProtocol {
    /// The header is not expected, and refused as bytes that are not HTTP.
    #[default]
    Off,
    /// Each connection of a trusted proxy of the policy begins with the header. A connection without it is refused,
    /// and so is the header of any other peer.
    FromTrustedProxies,
}

/// The parts of a connection that do not change from one to the next.
#[derive(Debug)]
pub(super) struct ConnectionOptions {
    pub(super) http1: http1::Builder,
    /// Set if a connection may speak HTTP/2.
    pub(super) http2: Option<http2::Builder<TokioExecutor>>,
    /// `true` if a plain connection may begin with the HTTP/2 preface.
    pub(super) has_prior_knowledge: bool,
    pub(super) tls: Option<Tls>,
    pub(super) proxy_protocol: ProxyProtocol,
}

// === impl ServeOptions ===

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            protocols: Protocols::default(),
            header_timeout: Duration::from_secs(75),
            send_timeout: Duration::from_mins(1),
            header_case: HeaderCase::default(),
            connections: None,
            head_memory: Arc::default(),
            event_sink: EventSink::default(),
            shares_port: false,
            tls: None,
            proxy_protocol: ProxyProtocol::default(),
        }
    }
}

impl ServeOptions {
    /// Sets the supported protocols: HTTP/1 only by default.
    pub fn with_protocols(self, protocols: Protocols) -> Self {
        Self { protocols, ..self }
    }

    /// Sets the case of header names in HTTP/1 responses: lower case by default.
    pub fn with_header_case(self, header_case: HeaderCase) -> Self {
        Self {
            header_case,
            ..self
        }
    }

    /// Sets the registry that closes connections whose peer is denied. If unset, a connection
    /// closes only by itself or in a drain.
    pub fn with_connections(self, connections: Arc<Connections>) -> Self {
        let connections = Some(connections);
        Self {
            connections,
            ..self
        }
    }

    /// Sets the bytes that incomplete HTTP/1 heads of all connections may hold together, beyond 16 KiB each: 32 MiB
    /// by default. A connection whose head finds none left is closed. Accept loops with clones of one value share
    /// them.
    pub fn with_head_memory(self, bytes: usize) -> Self {
        let head_memory = Arc::new(HeadMemory::new(bytes));
        Self {
            head_memory,
            ..self
        }
    }

    /// Sets the destination for events about connections that no layer sees: TLS on this plain-text
    /// port ([`Event::Diagnosis`](gabion_core::Event::Diagnosis)), bytes that hyper refuses
    /// ([`Event::Unparsable`](gabion_core::Event::Unparsable)), and connections that reach a limit
    /// ([`Event::ConnectionRefused`](gabion_core::Event::ConnectionRefused)). If unset, they are dropped.
    pub fn with_sink(self, sink: Arc<dyn Sink>) -> Self {
        let event_sink = EventSink::new(sink);
        Self { event_sink, ..self }
    }

    /// Sets whether [`workers`](crate::workers) may listen on an address on which workers of another process
    /// of the same user listen. The system then spreads connections over all of them. By default they fail to
    /// start.
    pub fn with_shared_port(self, shares_port: bool) -> Self {
        Self {
            shares_port,
            ..self
        }
    }

    /// Serves TLS only, with HTTP/1.1 or HTTP/2 as the client offers by ALPN (RFC 7301), whatever
    /// [`Self::with_protocols`]. Requests get the scheme [`Secure`](gabion_core::Scheme::Secure).
    ///
    /// A peer that the policy of [`Self::with_connections`] denies is disconnected before its handshake. Plain HTTP
    /// is answered 400, with a diagnosis event.
    #[cfg(feature = "tls")]
    pub fn with_tls(self, tls: Tls) -> Self {
        let tls = Some(tls);
        Self { tls, ..self }
    }

    /// Sets whether connections begin with the header of the PROXY protocol: off by default. The trusted proxies are
    /// those of the policy of [`Self::with_connections`]; without it no peer is trusted.
    ///
    /// The client that the header names is the peer from then on: for bans, the connection limits, the policy and
    /// `X-Forwarded-For`. If it names none, as for a balancer's own health checks (`LOCAL`, `UNKNOWN`), that is the
    /// balancer. The header has the time of [`Self::with_header_timeout`].
    pub fn with_proxy_protocol(self, proxy_protocol: ProxyProtocol) -> Self {
        Self {
            proxy_protocol,
            ..self
        }
    }

    /// Sets the time for a complete request head since the last exchange, and for protocol
    /// detection on a new connection: 75 s by default. Beyond it the connection is closed, even if an
    /// HTTP/2 client answers pings; not if it opened a tunnel.
    ///
    /// # Deployment
    ///
    /// hyper has one timer for a slow head and for an idle connection. It must therefore exceed the
    /// idle timeout of a load balancer in front (60 s on AWS): otherwise the balancer sends a
    /// request on a connection that is being closed, and answers 502.
    pub fn with_header_timeout(self, header_timeout: Duration) -> Self {
        Self {
            header_timeout,
            ..self
        }
    }

    /// Sets the longest time in which a client may take no bytes of a response: 60 s by default, as in nginx.
    /// Beyond it the connection is closed. It does not apply while there is nothing to send, as in an idle
    /// stream of events, and to upgraded connections.
    ///
    /// An HTTP/2 client can stop streams by flow control. The connection is closed if all its streams are stopped;
    /// one that is stopped beside others waits until the connection ends.
    pub fn with_send_timeout(self, send_timeout: Duration) -> Self {
        Self {
            send_timeout,
            ..self
        }
    }
}

// === impl ConnectionOptions ===

impl ConnectionOptions {
    pub(super) fn new(options: &ServeOptions) -> Self {
        let has_prior_knowledge = options.protocols == Protocols::Http1AndPriorKnowledge;
        Self {
            http1: http1(options),
            http2: (has_prior_knowledge || options.tls.is_some()).then(http2),
            has_prior_knowledge,
            tls: options.tls.clone(),
            proxy_protocol: options.proxy_protocol,
        }
    }
}

/// A request with more than 100 headers, hyper's default, is answered 431. To set the limit, even to
/// that number, costs 1,700 instructions per request.
fn http1(options: &ServeOptions) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .preserve_header_case(options.header_case.is_kept())
        .max_buf_size(MAX_BUFFER);
    builder
}

fn http2() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST)
        .keep_alive_interval(HTTP2_PING)
        .enable_connect_protocol();
    builder
}
