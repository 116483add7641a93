//! The service itself.

use std::{
    convert::Infallible,
    fmt,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use gabion_core::{Escaped, PeerAddr};
use gabion_frames::Negotiated;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header::SEC_WEBSOCKET_EXTENSIONS, response,
};
use http_body::Body as _;
use hyper::{
    body::Incoming,
    upgrade::{self, OnUpgrade},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;
use tower_service::Service;
use tracing::warn;

use super::{
    body::ProxyBody,
    error::{Failure, RequestError, UpstreamError},
    headers::strip_hop,
    request::readdress,
    resolve::Resolver,
    upload::Upload,
    websocket::{Answer, Handshake},
};
use crate::{
    Tunnels, Upstream,
    serve::KEEP_ALIVE_PROBES,
    tunnel::{Tunneling, tunnel},
};

/// Sends every request on to one [`Upstream`] over HTTP/1.1.
///
/// Bodies and trailers stream both ways. A clone shares the pool of connections, which belongs to
/// the runtime it is first used on: make one for each, with its own factory ([`crate::workers`]).
///
/// The service never fails: what goes wrong becomes an answer ([`RequestError`], [`UpstreamError`]),
/// and a warning in the log with every reason.
///
/// # Cancellation
///
/// Dropping the future, or the body of its answer, ends the exchange with the upstream.
#[derive(Clone, Debug)]
pub struct Proxy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    upstream: Upstream,
    client: Client<HttpConnector<Resolver>, Upload>,
    head_timeout: Duration,
    tunnels: Tunnels,
    tunneling: Arc<Tunneling>,
}

/// How a [`Proxy`] treats its upstream.
#[derive(Clone, Debug)]
pub struct ProxyOptions {
    connect_timeout: Duration,
    head_timeout: Duration,
    pool_idle: Duration,
    ping: Option<Duration>,
}

/// The future of a [`Proxy`]'s answer.
#[must_use = "futures do nothing unless polled"]
pub struct ProxyFuture(Pin<Box<dyn Future<Output = Response<ProxyBody>> + Send>>);

/// What the log says of a request that failed.
struct Asked {
    method: Method,
    uri: Uri,
    peer: Option<PeerAddr>,
}

// === impl ProxyOptions ===

impl Default for ProxyOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            head_timeout: Duration::from_mins(1),
            // Just below the 5 s after which Node and uvicorn close: a request must not be sent
            // into a connection that is being closed.
            pool_idle: Duration::from_secs(4),
            // Less than half of the 60 s after which most hops cut: one ping may be lost.
            ping: Some(Duration::from_secs(25)),
        }
    }
}

impl ProxyOptions {
    /// How long the upstream may take to accept a connection: 5 s by default.
    pub fn with_connect_timeout(self, connect_timeout: Duration) -> Self {
        Self {
            connect_timeout,
            ..self
        }
    }

    /// How long an exchange may stand still before the answer begins: 60 s by default, and up to
    /// twice that after a body that moved. Once the head has come, nothing is timed.
    pub fn with_head_timeout(self, head_timeout: Duration) -> Self {
        Self {
            head_timeout,
            ..self
        }
    }

    /// How long a connection is kept for the next request: 4 s by default. Keep it below the time
    /// after which the upstream closes.
    pub fn with_pool_idle(self, pool_idle: Duration) -> Self {
        Self { pool_idle, ..self }
    }

    /// How long the upstream of a WebSocket may be silent before it is pinged: 25 s by default; none
    /// for never. When it answers neither of two pings it is gone.
    pub fn with_ping(self, ping: Option<Duration>) -> Self {
        Self { ping, ..self }
    }
}

// === impl Proxy ===

impl Proxy {
    /// A proxy with a pool of its own, that counts the WebSockets it opens in `tunnels`.
    pub fn new(upstream: Upstream, options: &ProxyOptions, tunnels: Tunnels) -> Self {
        let mut connector = HttpConnector::new_with_resolver(Resolver::new());
        connector.set_connect_timeout(Some(options.connect_timeout));
        connector.set_nodelay(true);
        connector.set_keepalive(Some(KEEP_ALIVE_PROBES));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(options.pool_idle)
            .build(connector);
        Self(Arc::new(Inner {
            upstream,
            client,
            head_timeout: options.head_timeout,
            tunnels,
            tunneling: Arc::new(Tunneling::new(options.ping)),
        }))
    }
}

impl Service<Request<Incoming>> for Proxy {
    type Response = Response<ProxyBody>;
    type Error = Infallible;
    type Future = ProxyFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> ProxyFuture {
        let inner = Arc::clone(&self.0);
        ProxyFuture(Box::pin(async move { inner.answer(request).await }))
    }
}

// === impl Inner ===

impl Inner {
    async fn answer(&self, request: Request<Incoming>) -> Response<ProxyBody> {
        let asked = Asked::of(&request);
        match self.exchange(request).await {
            Ok(response) => response,
            Err(failure) => {
                let response = failure.answer();
                warn!(
                    target: "gabion::proxy",
                    "{} answered {}: {}; the server behind is {}",
                    asked, response.status().as_u16(), failure.reasons(), self.upstream,
                );
                response
            }
        }
    }

    async fn exchange(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<Response<ProxyBody>, Failure> {
        let handshake = Handshake::of(&request)?;
        let upgraded = upgrade::on(&mut request);
        let (mut parts, body) = request.into_parts();
        readdress(&mut parts, body.size_hint().exact(), &self.upstream)?;
        if let Some(handshake) = &handshake {
            handshake.ask(&mut parts);
        }
        let response = self.send(Request::from_parts(parts, body)).await?;
        match handshake {
            Some(handshake) => self.open(&handshake, response, upgraded),
            None if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Err(UpstreamError::Unasked.into())
            }
            None => {
                let (mut head, body) = response.into_parts();
                leave_hop(&mut head);
                Ok(Response::from_parts(head, body.into()))
            }
        }
    }

    /// Waits for the head of the answer for as long as the body moves.
    async fn send(&self, request: Request<Incoming>) -> Result<Response<Incoming>, Failure> {
        let (head, body) = request.into_parts();
        let (upload, progress) = Upload::new(body);
        let mut answer = pin!(self.client.request(Request::from_parts(head, upload)));
        loop {
            match timeout(self.head_timeout, answer.as_mut()).await {
                Ok(answer) => return answer.map_err(Failure::from),
                Err(_) if progress.moved() => {}
                Err(_) if progress.awaits_client() => {
                    return Err(RequestError::BodyStalled(self.head_timeout).into());
                }
                Err(_) => return Err(UpstreamError::Silent(self.head_timeout).into()),
            }
        }
    }

    /// Ends a handshake: with a tunnel, or with the upstream's refusal.
    fn open(
        &self,
        handshake: &Handshake,
        mut response: Response<Incoming>,
        client: OnUpgrade,
    ) -> Result<Response<ProxyBody>, Failure> {
        let upstream = upgrade::on(&mut response);
        let (mut head, body) = response.into_parts();
        let answer = handshake.judge(&head)?;
        leave_hop(&mut head);
        let body = match answer {
            Answer::Opened => {
                handshake.accept(&mut head);
                let tunneling = Arc::clone(&self.tunneling);
                let opened = tunnel(client, upstream, tunneling, negotiated(&head.headers));
                self.tunnels.tasks().spawn(opened);
                ProxyBody::empty()
            }
            Answer::Refused => body.into(),
        };
        Ok(Response::from_parts(head, body))
    }
}

/// What is known of the extensions that an answer grants; nothing where one is not known.
fn negotiated(answer: &HeaderMap) -> Option<Negotiated> {
    let lines = answer.get_all(SEC_WEBSOCKET_EXTENSIONS);
    Negotiated::from_header(lines.iter().map(HeaderValue::as_bytes)).ok()
}

fn leave_hop(head: &mut response::Parts) {
    strip_hop(&mut head.headers);
    // The upstream's version is its own hop's: an HTTP/1.0 answer must not end the client's
    // connection.
    head.version = Version::HTTP_11;
}

// === impl ProxyFuture ===

impl Future for ProxyFuture {
    type Output = Result<Response<ProxyBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for ProxyFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyFuture").finish_non_exhaustive()
    }
}

// === impl Asked ===

impl Asked {
    fn of<B>(request: &Request<B>) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            peer: request.extensions().get().copied(),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self
            .uri
            .path_and_query()
            .map_or("", |target| target.as_str());
        write!(f, "{} \"{}\"", self.method, Escaped(target.as_bytes()))?;
        match self.peer {
            Some(peer) => write!(f, " from {}", peer.socket()),
            None => Ok(()),
        }
    }
}
