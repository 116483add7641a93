//! The tower service.

use std::{
    convert::Infallible,
    fmt,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use gabion_core::{BodyLimit, ClientIp, ClientRules, PeerAddr};
use gabion_frames::Negotiated;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Version,
    header::{CONTENT_TYPE, SEC_WEBSOCKET_EXTENSIONS},
};
use http_body::Body as _;
use hyper::{
    body::Incoming,
    upgrade::{self, OnUpgrade},
};
use tokio::time::timeout;
use tower_service::Service;

use super::{
    body::ProxyBody,
    claims::RemovedClaims,
    dispatch::Dispatcher,
    download::Download,
    error::{Failure, RequestError, UpstreamError},
    options::ProxyOptions,
    readiness::Readiness,
    request::rewrite_head,
    request_info::RequestInfo,
    response::rewrite_response_head,
    response_connection::Exchange,
    retry::RequestSlot,
    upload::{Progress, Upload},
    websocket::{Handshake, HandshakeResponse, diagnose_rejection},
};
use crate::{
    Capacity, HeaderCase, Tunnels, UpstreamGroup,
    access_log::LoggedExchange,
    capacity::{Place, Places},
    event_sink::EventSink,
    tunnel::{TunnelConfig, TunnelContext, tunnel},
};

/// A tower service that forwards each request to an [`Upstream`](crate::Upstream), or to one of an
/// [`UpstreamGroup`].
///
/// Bodies and trailers stream in both directions. Clones share one pool of connections per upstream, which
/// belongs to the runtime it is first used on: create one proxy per runtime, as the factory of
/// [`crate::workers`] does, each with a clone of one group. See [`ProxyOptions`] for timeouts and [`Tunnels`]
/// for the WebSockets it opens.
///
/// The service never fails. An error becomes a response ([`RequestError`], [`UpstreamError`]), and
/// one event with every source of the error
/// ([`Event::ProxyFailure`](gabion_core::Event::ProxyFailure)), if a sink is set
/// ([`ProxyOptions::with_sink`]).
///
/// # Cancellation
///
/// Dropping the future, or the body of its response, ends the exchange with the upstream.
///
/// # Examples
///
/// The example of the [crate](crate) forwards requests through a proxy and shows a refused one.
///
/// ```
/// use gabion_proxy::{HttpService, Proxy, ProxyOptions, Tunnels, Upstream, UpstreamParseError};
///
/// fn accepts_connections(_service: &impl HttpService) {}
///
/// let new = |url: &str| -> Result<Proxy, UpstreamParseError> {
///     let upstream: Upstream = url.parse()?;
///     Ok(Proxy::new(upstream, &ProxyOptions::default(), Tunnels::default()))
/// };
/// accepts_connections(&new("http://127.0.0.1:5000")?);
/// assert!(new("ftp://127.0.0.1:5000").is_err());
/// # Ok::<(), UpstreamParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Proxy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dispatcher: Dispatcher,
    head_timeout: Duration,
    receive_timeout: Duration,
    tunnels: Tunnels,
    ping: Option<Duration>,
    tunnel_context: Arc<TunnelContext>,
    header_case: HeaderCase,
    event_sink: EventSink,
    removed_claims: Arc<RemovedClaims>,
    in_progress: Arc<Places>,
    capacity: Capacity,
    readiness: Option<Readiness>,
}

/// The future of a [`Proxy`]'s response.
#[must_use = "futures do nothing unless polled"]
pub struct ProxyFuture(Pin<Box<dyn Future<Output = Response<ProxyBody>> + Send>>);

/// A request for an upstream.
struct Outgoing {
    slot: RequestSlot,
    progress: Arc<Progress>,
    /// The peer if no layer resolved the client.
    client: ClientIp,
    place: Place,
}

// === impl Proxy ===

impl Proxy {
    /// Creates a proxy with its own connections, which counts the WebSockets it opens in `tunnels`.
    pub fn new(
        upstreams: impl Into<UpstreamGroup>,
        options: &ProxyOptions,
        tunnels: Tunnels,
    ) -> Self {
        Self(Arc::new(Inner {
            dispatcher: Dispatcher::new(upstreams.into(), options, tunnels.worker()),
            head_timeout: options.head_timeout,
            receive_timeout: options.receive_timeout,
            tunnels,
            ping: options.ping,
            tunnel_context: Arc::new(TunnelContext::new(
                Arc::clone(&options.idle_timeouts),
                options.event_sink.clone(),
            )),
            header_case: options.header_case,
            event_sink: options.event_sink.clone(),
            removed_claims: Arc::clone(&options.removed_claims),
            in_progress: Arc::clone(&options.in_progress),
            capacity: options.capacity,
            readiness: options.readiness.clone(),
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
        ProxyFuture(Box::pin(async move { inner.respond(request).await }))
    }
}

// === impl Inner ===

impl Inner {
    async fn respond(&self, request: Request<Incoming>) -> Response<ProxyBody> {
        let answer = |readiness: &Readiness| readiness.answer(request.method(), request.uri());
        if let Some(response) = self.readiness.as_ref().and_then(answer) {
            return response.map(|text| ProxyBody::text(text.to_owned()));
        }
        let info = RequestInfo::from_request(&request);
        let result = self.forward(request, &info).await;
        if let Some(logged) = &info.logged
            && let Some(upstream) = info.upstream.tried(self.dispatcher.group())
        {
            logged.set_upstream(&upstream);
        }
        match result {
            Ok(response) => response,
            Err(failure) => {
                let response = failure.to_response();
                let group = self.dispatcher.group();
                self.event_sink.record_failure(
                    info.client,
                    (&info.method, info.target()),
                    response.status(),
                    &failure.error_chain(),
                    &info.upstream.display(group),
                );
                if let (Some(diagnosis), Some(requester)) = (failure.diagnosis(), &info.requester) {
                    self.event_sink
                        .record_diagnosis(diagnosis, requester, failure.to_string());
                }
                response
            }
        }
    }

    async fn forward(
        &self,
        mut request: Request<Incoming>,
        info: &RequestInfo,
    ) -> Result<Response<ProxyBody>, Failure> {
        let handshake = Handshake::from_request(&request)?;
        if handshake.is_some() && self.tunnels.is_closed() {
            return Err(RequestError::Draining.into());
        }
        let upgraded = handshake.is_some().then(|| upgrade::on(&mut request));
        let mut outgoing = self.prepare(request, handshake.as_ref())?;
        let exchange = self.send(&mut outgoing, info).await?;
        let Outgoing {
            progress, place, ..
        } = outgoing;
        match handshake.zip(upgraded) {
            Some((handshake, upgraded)) => {
                self.finish_handshake(&handshake, exchange, upgraded, info, place)
            }
            None if exchange.response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Err(UpstreamError::UnexpectedSwitch.into())
            }
            None => {
                let (mut head, body) = exchange.response.into_parts();
                rewrite_response_head(&mut head, info.version)?;
                let download = Download::new(body, exchange.connection, !progress.is_over());
                let body = ProxyBody::upstream(download, place, exchange.lease);
                Ok(Response::from_parts(head, body))
            }
        }
    }

    /// Counts a request as in progress, and rewrites it for an upstream. Not a part of [`Self::forward`], whose future
    /// would hold every value.
    fn prepare(
        &self,
        request: Request<Incoming>,
        handshake: Option<&Handshake>,
    ) -> Result<Outgoing, RequestError> {
        let (mut parts, body) = request.into_parts();
        let length = body.size_hint().exact();
        let peer: PeerAddr = *parts.extensions.get().ok_or(RequestError::NoPeer)?;
        let resolved: Option<ClientIp> = parts.extensions.get().copied();
        let limit: Option<BodyLimit> = parts.extensions.get().copied();
        let of_peer = || ClientRules::default().resolve(peer, &HeaderMap::new());
        let client = resolved.unwrap_or_else(of_peer);
        let place = self.in_progress.take(client, self.capacity)?;
        self.removed_claims.remove_from(
            &mut parts.headers,
            peer,
            resolved.as_ref(),
            &self.event_sink,
        );
        let authority = self.dispatcher.default_authority();
        rewrite_head(&mut parts, peer, length, authority)?;
        if !self.header_case.is_kept() {
            // hyper keeps the case of the names in a type of its own, which stays only with all others.
            parts.extensions.clear();
        }
        if let Some(handshake) = handshake {
            handshake.write_request(&mut parts);
        }
        let (body, progress) = Upload::new(body, limit, self.receive_timeout);
        Ok(Outgoing {
            slot: Some(Request::from_parts(parts, body)),
            progress,
            client,
            place,
        })
    }

    /// Waits for the response head as long as the request body makes progress. A gRPC stream may be silent at first:
    /// its response may begin only after its first message.
    async fn send(&self, outgoing: &mut Outgoing, info: &RequestInfo) -> Result<Exchange, Failure> {
        let Outgoing {
            slot,
            progress,
            client,
            ..
        } = outgoing;
        let may_be_silent = info.version == Version::HTTP_2
            && slot
                .as_ref()
                .is_some_and(|request| is_grpc(request.headers()));
        let mut response = pin!(self.dispatcher.send(slot, client, &info.upstream));
        loop {
            match timeout(self.head_timeout, response.as_mut()).await {
                Ok(result) => return result,
                Err(_) if progress.moved() => {}
                Err(_) if progress.awaits_client() && may_be_silent => {}
                Err(_) if progress.awaits_client() => {
                    return Err(RequestError::BodyStalled(self.head_timeout).into());
                }
                Err(_) => {
                    let error = UpstreamError::ResponseTimeout(self.head_timeout);
                    self.dispatcher.record_timeout(&info.upstream, &error);
                    return Err(error.into());
                }
            }
        }
    }

    /// Completes a handshake: opens the tunnel, or forwards the upstream's rejection.
    fn finish_handshake(
        &self,
        handshake: &Handshake,
        exchange: Exchange,
        client: OnUpgrade,
        info: &RequestInfo,
        place: Place,
    ) -> Result<Response<ProxyBody>, Failure> {
        let Exchange {
            mut response,
            connection,
            lease,
        } = exchange;
        let upstream = upgrade::on(&mut response);
        let (mut head, body) = response.into_parts();
        let outcome = handshake.check_response(&head)?;
        rewrite_response_head(&mut head, info.version)?;
        let body = match outcome {
            HandshakeResponse::Accepted => {
                handshake.write_response(&mut head);
                let tunnel_context = Arc::clone(&self.tunnel_context);
                let config = TunnelConfig {
                    negotiated: negotiated(&head.headers),
                    ping: info
                        .session_limits
                        .as_ref()
                        .map_or(self.ping, |limits| limits.ping),
                    requester: info.requester.clone(),
                    place: (place, lease),
                    logged: info.logged.clone().map(LoggedExchange::open_tunnel),
                };
                let tunnel = tunnel(client, upstream, tunnel_context, Box::new(config));
                self.tunnels.tasks().spawn(tunnel);
                // The pool drives the connection to its end, where hyper hands over the stream.
                connection.release();
                ProxyBody::empty()
            }
            HandshakeResponse::Rejected => {
                if let Some(requester) = &info.requester {
                    let observation = format!("the upstream answered {}", head.status.as_u16());
                    self.event_sink.record_diagnosis(
                        diagnose_rejection(&head),
                        requester,
                        observation,
                    );
                }
                ProxyBody::upstream(Download::new(body, connection, false), place, lease)
            }
        };
        Ok(Response::from_parts(head, body))
    }
}

/// Parses the extensions that a response accepts; `None` if one is unknown.
fn negotiated(headers: &HeaderMap) -> Option<Negotiated> {
    let lines = headers.get_all(SEC_WEBSOCKET_EXTENSIONS);
    Negotiated::from_header(lines.iter().map(HeaderValue::as_bytes)).ok()
}

/// Returns `true` for the content types of gRPC.
fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    content_type.is_some_and(|content_type| content_type.starts_with(b"application/grpc"))
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
