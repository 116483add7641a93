//! One accepted connection.

use std::{
    error::Error,
    future::{pending, ready},
    pin::{Pin, pin},
    sync::{Arc, OnceLock},
    time::Duration,
};

use gabion_core::{Diagnosis, Framing, PeerAddr};
use http::{Request, Response, Version};
use http_body::Body;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
};
use hyper_util::{
    rt::TokioIo,
    service::{TowerToHyperService, TowerToHyperServiceFuture},
};
use tokio::{
    net::TcpStream,
    select,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    Connections,
    activity::{Activity, ProgressBody, ProgressFuture, Unused},
    connections::{Admission, ConnectionSlot},
    control_frames::ControlFrameGuard,
    detect::{DetectedProtocol, refuse_tls},
    framing::{FramingQueue, TrackedSocket},
    head_memory::HeadMemory,
    options::{HttpBuilders, ServeOptions},
    refusal::unparsable_part,
    upgrade::{UpgradeRequest, UpgradeResponseFuture},
};
use crate::event_sink::{EventSink, Requester};

/// A tower service that can serve connections: any cloneable service whose future, error and body
/// are `Send`.
///
/// It is implemented for every such service, and not meant to be implemented otherwise.
/// [`serve`](crate::serve) and [`workers`](crate::workers) require it.
///
/// ```
/// use gabion_proxy::{HttpService, Proxy};
///
/// fn serves<S: HttpService>() {}
/// serves::<Proxy>();
/// ```
///
/// A service whose request is not hyper's is rejected by the compiler:
///
/// ```compile_fail
/// # use gabion_proxy::HttpService;
/// # fn serves<S: HttpService>() {}
/// serves::<String>();
/// ```
pub trait HttpService:
    tower_service::Service<
        Request<Incoming>,
        Response = Response<<Self as HttpService>::Body>,
        Error: Into<Box<dyn Error + Send + Sync>>,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
    /// The body of the responses.
    type Body: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;
}

/// Serves the connections of one accept loop.
#[derive(Clone, Debug)]
pub(super) struct ConnectionHandler {
    builders: Arc<HttpBuilders>,
    header_timeout: Duration,
    send_timeout: Duration,
    connections: Option<Arc<Connections>>,
    head_memory: Arc<HeadMemory>,
    event_sink: EventSink,
    stopping: CancellationToken,
    /// Set when the loop drains.
    idle_grace: Arc<OnceLock<Duration>>,
}

/// The peer of a connection that is served.
#[derive(Debug)]
pub(super) struct Admitted {
    peer: PeerAddr,
    /// `None` if the number of connections is not limited.
    admission: Option<Admission>,
}

/// The conditions that end a connection: the drain, or a policy that denies its peer.
struct ConnectionLifetime<'r> {
    stopping: &'r CancellationToken,
    idle_grace: &'r OnceLock<Duration>,
    slot: Option<ConnectionSlot>,
}

/// A service wrapper that adds the peer and the framing to each request, and ends a connection
/// whose request to leave HTTP was refused.
#[derive(Debug)]
struct ConnectionService<S> {
    service: TowerToHyperService<S>,
    peer: PeerAddr,
    framing_queue: Arc<FramingQueue>,
    activity: Arc<Activity>,
}

// === impl HttpService ===

impl<S, B> HttpService for S
where
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type Body = B;
}

// === impl ConnectionHandler ===

impl ConnectionHandler {
    pub(super) fn new(options: &ServeOptions) -> Self {
        Self {
            builders: Arc::new(HttpBuilders::new(options)),
            header_timeout: options.header_timeout,
            send_timeout: options.send_timeout,
            connections: options.connections.clone(),
            head_memory: Arc::clone(&options.head_memory),
            event_sink: options.event_sink.clone(),
            stopping: CancellationToken::new(),
            idle_grace: Arc::default(),
        }
    }

    /// Ends each connection after its current request; an idle one of HTTP/1 after its next request, or half of
    /// `grace`, at most [`Connections::LINGER`].
    pub(super) fn shut_down(&self, grace: Duration) {
        // It shuts down once.
        let _ = self.idle_grace.set(Connections::LINGER.min(grace / 2));
        self.stopping.cancel();
    }

    /// Admits a connection if fewer are open than allowed; otherwise reports it.
    pub(super) fn admit(&self, peer: PeerAddr) -> Option<Admitted> {
        let known = self.connections.as_ref();
        match known.map(|connections| connections.admit(peer)).transpose() {
            Ok(admission) => Some(Admitted { peer, admission }),
            Err(limit) => {
                self.event_sink.record_refused_connection(peer, limit);
                None
            }
        }
    }

    /// Serves one connection to its end, or to its upgrade.
    pub(super) async fn handle<S: HttpService>(
        self,
        mut socket: TcpStream,
        Admitted { peer, admission }: Admitted,
        service: S,
    ) {
        let known = self.connections.as_ref();
        let lifetime = ConnectionLifetime {
            stopping: &self.stopping,
            idle_grace: &self.idle_grace,
            slot: known
                .zip(admission.as_ref())
                .map(|(connections, admission)| {
                    connections.register(peer, admission, &self.stopping)
                }),
        };
        let (first_bytes, http2) = match self.detect(&mut socket, &lifetime).await {
            None => return,
            Some(DetectedProtocol::Http1(first_bytes)) => (first_bytes, None),
            Some(DetectedProtocol::Http2(first_bytes)) => {
                (first_bytes, self.builders.http2.as_ref())
            }
            // Boxed, so that a plain connection's future does not reserve space for it.
            Some(DetectedProtocol::Tls) => return Box::pin(self.refuse_tls(socket, peer)).await,
        };
        let framing_queue = Arc::<FramingQueue>::default();
        let socket = TrackedSocket::new(first_bytes, socket, Arc::clone(&framing_queue))
            .with_admission(admission)
            .with_head_share(self.head_memory.share())
            .with_send_timeout(self.send_timeout);
        let activity = Arc::new(Activity::new(self.stopping.clone()));
        let service = ConnectionService {
            service: TowerToHyperService::new(service),
            peer,
            framing_queue: Arc::clone(&framing_queue),
            activity: Arc::clone(&activity),
        };
        let lingered = activity.unused(Connections::LINGER, self.send_timeout);
        let ended = if let Some(http2) = http2 {
            let socket = ControlFrameGuard::new(socket, Arc::clone(&framing_queue));
            let connection = pin!(http2.serve_connection(TokioIo::new(socket), service));
            let unused = activity.unused(self.header_timeout, self.send_timeout);
            let shut_down = http2::Connection::graceful_shutdown;
            let last_request = ready(());
            lifetime
                .serve(connection, (last_request, shut_down), (unused, lingered))
                .await
        } else {
            let connection = self
                .builders
                .http1
                .serve_connection(TokioIo::new(socket), service);
            let connection = pin!(connection.with_upgrades());
            let shut_down = http1::UpgradeableConnection::graceful_shutdown;
            let last_request = lifetime.last_request(&activity);
            lifetime
                .serve(connection, (last_request, shut_down), (pending(), lingered))
                .await
        };
        if let Err(error) = ended {
            self.record_failure(peer, &error, &framing_queue);
        }
    }

    /// Reads the first bytes; `None` if the connection ends before they show its protocol.
    async fn detect(
        &self,
        socket: &mut TcpStream,
        lifetime: &ConnectionLifetime<'_>,
    ) -> Option<DetectedProtocol> {
        let protocol = DetectedProtocol::detect(socket, self.builders.http2.is_some());
        select! {
            () = lifetime.ended_without_request() => None,
            // hyper does not apply its header timeout before it has detected the version.
            protocol = timeout(self.header_timeout, protocol) => protocol.ok()?.ok()?,
        }
    }

    async fn refuse_tls(&self, socket: TcpStream, peer: PeerAddr) {
        self.event_sink.record_diagnosis(
            Diagnosis::NoHandshake,
            &Requester::from_peer(peer),
            "TLS was sent to a port that accepts plain HTTP only",
        );
        refuse_tls(socket).await;
    }

    /// Records why a connection failed, unless its client left or was too slow.
    fn record_failure(&self, peer: PeerAddr, error: &hyper::Error, queue: &FramingQueue) {
        debug!(target: "gabion::proxy", %error, "connection failed");
        if let Some(limit) = queue.limit() {
            self.event_sink.record_refused_connection(peer, limit);
        } else if let Some(part) = unparsable_part(error) {
            let line = queue.refused_line();
            self.event_sink.record_unparsable(peer, part, &line);
        }
    }
}

// === impl ConnectionLifetime ===

impl ConnectionLifetime<'_> {
    /// Completes when the connection should end after its current request.
    async fn ended(&self) {
        let shutdown = self
            .slot
            .as_ref()
            .map_or(self.stopping, ConnectionSlot::graceful);
        shutdown.cancelled().await;
    }

    /// Completes when the connection should end without a request. During a drain its client may be about to
    /// send one: a connection that was just accepted is then closed only if it stays silent.
    async fn ended_without_request(&self) {
        self.ended().await;
        self.idle_grace().await;
    }

    /// Completes when an HTTP/1 connection that is to end need not wait for another request: at once, unless
    /// it is idle in a drain. A request that arrives then is answered, with the announcement that the
    /// connection ends ([`Activity`]); closed at that moment, its client could not know if it was.
    async fn last_request(&self, activity: &Activity) {
        if activity.is_idle() {
            self.idle_grace().await;
        }
    }

    async fn idle_grace(&self) {
        // Unset if the connection ends for another reason.
        if let Some(grace) = self.idle_grace.get() {
            sleep(*grace).await;
        }
    }

    /// Completes when a connection that is to end has lingered long enough: with a request in progress, only if
    /// its peer is denied. During a drain it never completes: the grace period applies instead.
    async fn linger_elapsed(&self, lingered: impl Future<Output = Unused>) {
        match &self.slot {
            Some(slot) if !self.stopping.is_cancelled() => select! {
                () = slot.denied().cancelled() => sleep(Connections::LINGER).await,
                _ = lingered => {}
            },
            _ => pending().await,
        }
    }

    /// Serves `connection` to its end. After its lifetime has ended, it shuts down gracefully as soon as
    /// `last_request` completes, and lingers until `lingered` at most; when it is idle, as soon as its client has
    /// seen that. When it is stalled, it ends at once.
    async fn serve<C>(
        &self,
        mut connection: Pin<&mut C>,
        (last_request, shut_down): (impl Future<Output = ()>, fn(Pin<&mut C>)),
        (unused, lingered): (impl Future<Output = Unused>, impl Future<Output = Unused>),
    ) -> hyper::Result<()>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        select! {
            ended = connection.as_mut() => ended,
            () = self.ended() => {
                select! {
                    ended = connection.as_mut() => return ended,
                    () = last_request => shut_down(connection.as_mut()),
                }
                select! {
                    ended = connection => ended,
                    () = self.linger_elapsed(lingered) => Ok(()),
                }
            }
            unused = unused => match unused {
                Unused::Idle => {
                    shut_down(connection.as_mut());
                    connection.await
                }
                Unused::Stalled => Ok(()),
            }
        }
    }
}

// === impl ConnectionService ===

impl<S> ConnectionService<S> {
    fn framing(&self, version: Version) -> Framing {
        if version > Version::HTTP_11 {
            self.framing_queue.stop();
            return Framing::AsShown;
        }
        self.framing_queue.pop()
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for ConnectionService<S>
where
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone,
{
    type Response = Response<ProgressBody<B>>;
    type Error = S::Error;
    type Future =
        ProgressFuture<UpgradeResponseFuture<TowerToHyperServiceFuture<S, Request<Incoming>>>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let framing = self.framing(request.version());
        let upgrade = UpgradeRequest::from_request(&request);
        let extensions = request.extensions_mut();
        extensions.insert(self.peer);
        if framing != Framing::AsShown {
            extensions.insert(framing);
        }
        let in_progress = self.activity.begin(&request);
        let response = self.service.call(request);
        let response = UpgradeResponseFuture::new(response, upgrade, &self.framing_queue);
        ProgressFuture::new(response, in_progress)
    }
}
