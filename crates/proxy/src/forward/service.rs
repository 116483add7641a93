//! The service itself.

use std::{
    convert::Infallible,
    fmt,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use gabion_core::{Escaped, PeerAddr, SessionLimits};
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
use tokio::time::timeout;
use tower_service::Service;
use tracing::warn;

use super::{
    body::ProxyBody,
    download::Download,
    error::{Failure, RequestError, UpstreamError},
    headers::strip_hop,
    link::Link,
    options::ProxyOptions,
    pool::Pool,
    request::readdress,
    upload::{Progress, Upload},
    websocket::{Answer, Handshake, asks, refusal},
};
use crate::{
    Tunnels, Upstream,
    told::{Told, Whose},
    tunnel::{Socket, Tunneling, tunnel},
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
    pool: Arc<Pool>,
    head_timeout: Duration,
    tunnels: Tunnels,
    ping: Option<Duration>,
    tunneling: Arc<Tunneling>,
    told: Told,
}

/// The future of a [`Proxy`]'s answer.
#[must_use = "futures do nothing unless polled"]
pub struct ProxyFuture(Pin<Box<dyn Future<Output = Response<ProxyBody>> + Send>>);

/// What the log says of a request that failed.
struct Asked {
    method: Method,
    uri: Uri,
    peer: Option<PeerAddr>,
    /// Whose WebSocket, where it asks for one.
    socket: Option<Whose>,
    /// What a policy in front holds it to.
    terms: Option<Arc<SessionLimits>>,
}

// === impl Proxy ===

impl Proxy {
    /// A proxy with a pool of its own, that counts the WebSockets it opens in `tunnels`.
    pub fn new(upstream: Upstream, options: &ProxyOptions, tunnels: Tunnels) -> Self {
        let pool = Arc::new(Pool::new(&upstream, options));
        Self(Arc::new(Inner {
            upstream,
            pool,
            head_timeout: options.head_timeout,
            tunnels,
            ping: options.ping,
            tunneling: Arc::new(Tunneling::new(
                Arc::clone(&options.timers),
                options.told.clone(),
            )),
            told: options.told.clone(),
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
        match self.exchange(request, &asked).await {
            Ok(response) => response,
            Err(failure) => {
                let response = failure.answer();
                warn!(
                    target: "gabion::proxy",
                    "{} answered {}: {}; the server behind is {}",
                    asked, response.status().as_u16(), failure.reasons(), self.upstream,
                );
                if let (Some(diagnosis), Some(whose)) = (failure.diagnosis(), &asked.socket) {
                    self.told.tell(diagnosis, whose, failure.to_string());
                }
                response
            }
        }
    }

    async fn exchange(
        &self,
        mut request: Request<Incoming>,
        asked: &Asked,
    ) -> Result<Response<ProxyBody>, Failure> {
        let handshake = Handshake::of(&request)?;
        if handshake.is_some() && self.tunnels.are_closed() {
            return Err(RequestError::Draining.into());
        }
        let upgraded = handshake.is_some().then(|| upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        readdress(&mut parts, body.size_hint().exact(), &self.upstream)?;
        if let Some(handshake) = &handshake {
            handshake.ask(&mut parts);
        }
        let (body, progress) = Upload::new(body);
        let request = Request::from_parts(parts, body);
        let (response, link) = self.send(request, &progress).await?;
        match handshake.zip(upgraded) {
            Some((handshake, upgraded)) => self.open(&handshake, response, link, upgraded, asked),
            None if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Err(UpstreamError::Unasked.into())
            }
            None => {
                let (mut head, body) = response.into_parts();
                leave_hop(&mut head);
                let body = self.download(body, link, !progress.is_over());
                Ok(Response::from_parts(head, body))
            }
        }
    }

    /// Waits for the head of the answer for as long as the body moves.
    async fn send(
        &self,
        request: Request<Upload>,
        progress: &Progress,
    ) -> Result<(Response<Incoming>, Link), Failure> {
        let mut answer = pin!(self.pool.ask(request));
        loop {
            match timeout(self.head_timeout, answer.as_mut()).await {
                Ok(answer) => return answer,
                Err(_) if progress.moved() => {}
                Err(_) if progress.awaits_client() => {
                    return Err(RequestError::BodyStalled(self.head_timeout).into());
                }
                Err(_) => return Err(UpstreamError::Silent(self.head_timeout).into()),
            }
        }
    }

    fn download(&self, body: Incoming, link: Link, uploads: bool) -> ProxyBody {
        Download::new(body, link, Arc::clone(&self.pool), uploads).into()
    }

    /// Ends a handshake: with a tunnel, or with the upstream's refusal.
    fn open(
        &self,
        handshake: &Handshake,
        mut response: Response<Incoming>,
        link: Link,
        client: OnUpgrade,
        asked: &Asked,
    ) -> Result<Response<ProxyBody>, Failure> {
        let upstream = upgrade::on(&mut response);
        let (mut head, body) = response.into_parts();
        let answer = handshake.judge(&head)?;
        leave_hop(&mut head);
        let body = match answer {
            Answer::Opened => {
                handshake.accept(&mut head);
                let tunneling = Arc::clone(&self.tunneling);
                let socket = Socket {
                    negotiated: negotiated(&head.headers),
                    ping: asked.terms.as_ref().map_or(self.ping, |terms| terms.ping),
                    whose: asked.socket.clone(),
                };
                let opened = tunnel(client, upstream, tunneling, socket);
                self.tunnels.tasks().spawn(opened);
                // Driven to its end, which hands the stream over.
                self.pool.put(link);
                ProxyBody::empty()
            }
            Answer::Refused => {
                if let Some(whose) = &asked.socket {
                    let seen = format!("it answered {}", head.status.as_u16());
                    self.told.tell(refusal(&head), whose, seen);
                }
                self.download(body, link, false)
            }
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
            socket: asks(request).then(|| Whose::of(request)).flatten(),
            terms: request.extensions().get().cloned(),
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
