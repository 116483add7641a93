//! One accepted connection.

use std::{
    future::{pending, ready},
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use gabion_core::{Diagnosis, PeerAddr, Scheme};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    select,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    Connections,
    activity::Activity,
    connections::{Admission, ConnectionSlot},
    control_frames::ControlFrameGuard,
    detect::{DetectedProtocol, TLS_RESPONSE, refuse},
    framing::{FramingQueue, TrackedSocket},
    head_memory::HeadMemory,
    lifetime::ConnectionLifetime,
    options::{ConnectionOptions, ServeOptions},
    refusal::unparsable_part,
    service::{ConnectionService, HttpService},
    worker_service::WorkerService,
};
use crate::event_sink::{EventSink, Requester};

/// Serves the connections of one accept loop.
#[derive(Clone, Debug)]
pub(super) struct ConnectionHandler {
    pub(super) options: Arc<ConnectionOptions>,
    pub(super) header_timeout: Duration,
    send_timeout: Duration,
    connections: Option<Arc<Connections>>,
    head_memory: Arc<HeadMemory>,
    pub(super) event_sink: EventSink,
    stopping: CancellationToken,
    /// Set when the loop drains.
    idle_grace: Arc<OnceLock<Duration>>,
}

/// The peer of a connection that is served, with its places.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) peer: PeerAddr,
    /// `None` if the number of connections is not limited.
    admission: Option<Admission>,
    /// `None` if no registry closes connections.
    slot: Option<ConnectionSlot>,
}

/// A socket that is ready for HTTP.
#[derive(Debug)]
pub(super) struct OpenedSocket<IO> {
    pub(super) socket: IO,
    pub(super) start: Start,
}

/// The protocol, as far as it is known before HTTP begins.
#[derive(Debug)]
pub(super) enum Start {
    /// Nothing: it is detected from the first bytes, of which these were read already.
    Plain(Vec<u8>),
    /// The result of the TLS handshake (RFC 7301).
    Tls { is_http2: bool },
}

/// The first bytes of a connection, and what they or the TLS handshake showed.
struct Begun {
    first_bytes: Vec<u8>,
    is_http2: bool,
    scheme: Scheme,
}

// === impl ConnectionHandler ===

impl ConnectionHandler {
    pub(super) fn new(options: &ServeOptions) -> Self {
        Self {
            options: Arc::new(ConnectionOptions::new(options)),
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

    /// Admits a connection if fewer are open than allowed, and if the policy does not deny a peer whose TLS
    /// handshake would come first; otherwise reports it.
    pub(super) fn admit(&self, peer: PeerAddr) -> Option<Admitted> {
        let Some(connections) = &self.connections else {
            return Some(Admitted {
                peer,
                admission: None,
                slot: None,
            });
        };
        match connections.admit(peer, self.options.tls.is_some()) {
            Ok(admission) => Some(Admitted {
                peer,
                slot: Some(connections.register(peer, &admission, &self.stopping)),
                admission: Some(admission),
            }),
            Err(limit) => {
                self.event_sink.record_refused_connection(peer, limit);
                None
            }
        }
    }

    /// Serves one connection to its end, or to its upgrade.
    pub(super) async fn handle<IO, S>(
        self,
        OpenedSocket { mut socket, start }: OpenedSocket<IO>,
        Admitted {
            peer,
            admission,
            slot,
        }: Admitted,
        service: WorkerService<S>,
    ) where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: HttpService,
    {
        let lifetime = self.lifetime(slot.as_ref());
        let Some(Begun {
            first_bytes,
            is_http2,
            scheme,
        }) = self.begin(&mut socket, start, peer, &lifetime).await
        else {
            return;
        };
        let framing_queue = Arc::<FramingQueue>::default();
        let socket = TrackedSocket::new(first_bytes, socket, Arc::clone(&framing_queue))
            .with_admission(admission)
            .with_head_share(self.head_memory.share())
            .with_send_timeout(self.send_timeout);
        let activity = Arc::new(Activity::new(self.stopping.clone()));
        let service = ConnectionService {
            service: service.into_copy(),
            peer,
            scheme,
            framing_queue: Arc::clone(&framing_queue),
            activity: Arc::clone(&activity),
        };
        let lingered = activity.unused(Connections::LINGER, self.send_timeout);
        let ended = if let Some(http2) = self.options.http2.as_ref().filter(|_| is_http2) {
            let socket = ControlFrameGuard::new(socket, Arc::clone(&framing_queue));
            let connection = pin!(http2.serve_connection(TokioIo::new(socket), service));
            let unused = activity.unused(self.header_timeout, self.send_timeout);
            let shut_down = http2::Connection::graceful_shutdown;
            lifetime
                .serve(connection, (ready(()), shut_down), (unused, lingered))
                .await
        } else {
            let connection = self
                .options
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

    pub(super) fn lifetime<'r>(
        &'r self,
        slot: Option<&'r ConnectionSlot>,
    ) -> ConnectionLifetime<'r> {
        ConnectionLifetime {
            stopping: &self.stopping,
            idle_grace: &self.idle_grace,
            slot,
        }
    }

    /// Reads the first bytes; `None` if the connection ends before they show its protocol, or if that is TLS.
    async fn begin<IO: AsyncRead + AsyncWrite + Unpin + Send>(
        &self,
        socket: &mut IO,
        start: Start,
        peer: PeerAddr,
        lifetime: &ConnectionLifetime<'_>,
    ) -> Option<Begun> {
        let (first_bytes, negotiated) = match start {
            Start::Plain(first_bytes) => (first_bytes, None),
            Start::Tls { is_http2 } => (Vec::new(), Some(is_http2)),
        };
        let allows_http2 = negotiated.unwrap_or(self.options.has_prior_knowledge);
        let protocol = DetectedProtocol::detect(socket, first_bytes, allows_http2);
        let protocol = select! {
            () = lifetime.ended_without_request() => return None,
            // hyper does not apply its header timeout before it has detected the version.
            protocol = timeout(self.header_timeout, protocol) => protocol.ok()?.ok()??,
        };
        let (first_bytes, is_http2) = match protocol {
            DetectedProtocol::Http1(first_bytes) => (first_bytes, false),
            DetectedProtocol::Http2(first_bytes) => (first_bytes, true),
            DetectedProtocol::Tls if negotiated.is_some() => return None,
            DetectedProtocol::Tls => {
                self.event_sink.record_diagnosis(
                    Diagnosis::NoHandshake,
                    &Requester::from_peer(peer),
                    "TLS was sent to a port that accepts plain HTTP only",
                );
                // Boxed, so that a plain connection's future does not reserve space for it.
                Box::pin(refuse(socket, TLS_RESPONSE)).await;
                return None;
            }
        };
        Some(Begun {
            first_bytes,
            // A client that selected HTTP/2 and sends something else gets an error of HTTP/2.
            is_http2: negotiated.unwrap_or(is_http2),
            scheme: negotiated.map_or(Scheme::Plain, |_| Scheme::Secure),
        })
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

// === impl Admitted ===

impl Admitted {
    /// Returns `true` if the peer is a trusted proxy of the policy.
    pub(super) fn is_trusted_proxy(&self) -> bool {
        self.admission
            .as_ref()
            .is_some_and(Admission::is_of_trusted_proxy)
    }

    pub(super) const fn slot(&self) -> Option<&ConnectionSlot> {
        self.slot.as_ref()
    }
}

// === impl OpenedSocket ===

impl OpenedSocket<TcpStream> {
    /// A socket of which nothing was read.
    pub(super) const fn plain(socket: TcpStream) -> Self {
        Self {
            socket,
            start: Start::Plain(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::{Proxy, ProxyOptions, Tunnels};

    #[tokio::test]
    async fn future_of_a_plain_connection_is_small() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let socket = TcpStream::connect(addr).await.unwrap();
        let handler = ConnectionHandler::new(&ServeOptions::default());
        let admitted = handler.admit(PeerAddr::new(addr)).unwrap();
        let upstream: crate::Upstream = "http://127.0.0.1:1".parse().unwrap();
        let proxy = Proxy::new(upstream, &ProxyOptions::default(), Tunnels::default());
        let future = handler.handle(
            OpenedSocket::plain(socket),
            admitted,
            WorkerService::new(proxy),
        );
        // Each idle connection holds one. 24 bytes are for the replacement of its service.
        assert!(size_of_val(&future) <= 3_744, "{}", size_of_val(&future));
    }
}
