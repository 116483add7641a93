//! One accepted connection.

use std::{
    error::Error,
    fmt,
    future::pending,
    pin::{Pin, pin},
    sync::Arc,
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
    connections::Place,
    framing::{Followed, Notes},
    leave::{Leave, Leaving},
    opening::{Opening, refuse_tls},
    options::{ServeOptions, Wire},
};
use crate::told::{Told, Whose};

/// A tower service that a connection can be served with: every cloneable one whose future, error
/// and body can be sent between threads. Not to be implemented otherwise.
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
    /// The body of its answers.
    type Body: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;
}

/// How all connections of one accept loop are served.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    wire: Arc<Wire>,
    patience: Duration,
    connections: Option<Arc<Connections>>,
    told: Told,
    stopping: CancellationToken,
}

/// Why a connection may be served any longer.
struct Stay<'r> {
    stopping: &'r CancellationToken,
    place: Option<Place>,
}

/// A service that says whose each request is and how it was framed, and that ends a connection whose
/// request to leave HTTP was refused.
#[derive(Debug)]
struct WithPeer<S> {
    service: TowerToHyperService<S>,
    peer: PeerAddr,
    notes: Arc<Notes>,
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

// === impl Rules ===

impl Rules {
    pub(super) fn new(options: &ServeOptions) -> Self {
        Self {
            wire: Arc::new(Wire::new(options)),
            patience: options.header_timeout,
            connections: options.connections.clone(),
            told: options.told.clone(),
            stopping: CancellationToken::new(),
        }
    }

    /// Has connections end after what they are at.
    pub(super) fn stop(&self) {
        self.stopping.cancel();
    }

    /// Serves one connection to its end, or to its upgrade.
    pub(super) async fn drive<S: HttpService>(
        self,
        mut socket: TcpStream,
        peer: PeerAddr,
        service: S,
    ) {
        let known = self.connections.as_ref();
        let stay = Stay {
            stopping: &self.stopping,
            place: known.and_then(|connections| connections.enter(peer, &self.stopping)),
        };
        // hyper does not time a connection before it has found out its version.
        let opening = Opening::read(&mut socket, self.wire.http2.is_some());
        let opening = select! {
            () = stay.is_over() => return,
            opening = timeout(self.patience, opening) => opening,
        };
        let Ok(Ok(Some(opening))) = opening else {
            return;
        };
        let (first, http2) = match opening {
            Opening::Http1(first) => (first, None),
            Opening::Http2(first) => (first, self.wire.http2.as_ref()),
            // In a box, or each connection would have room for it.
            Opening::Tls => {
                let whose = Whose::of_peer(peer);
                self.told
                    .tell(Diagnosis::NoHandshake, &whose, "TLS came to a plain port");
                return Box::pin(refuse_tls(socket)).await;
            }
        };
        let notes = Arc::<Notes>::default();
        let io = TokioIo::new(Followed::new(first, socket, Arc::clone(&notes)));
        let service = WithPeer {
            service: TowerToHyperService::new(service),
            peer,
            notes,
        };
        if let Some(http2) = http2 {
            let connection = http2.serve_connection(io, service);
            stay.serve(connection, http2::Connection::graceful_shutdown)
                .await;
        } else {
            let connection = self.wire.http1.serve_connection(io, service);
            let connection = connection.with_upgrades();
            stay.serve(connection, http1::UpgradeableConnection::graceful_shutdown)
                .await;
        }
    }
}

// === impl Stay ===

impl Stay<'_> {
    /// Ready once the connection should end after what it is at.
    async fn is_over(&self) {
        let over = self.place.as_ref().map_or(self.stopping, Place::over);
        over.cancelled().await;
    }

    /// Ready once a connection that was to end has had its time, if that is not for the drain to say.
    async fn has_lingered(&self) {
        if self.stopping.is_cancelled() {
            return pending().await;
        }
        sleep(Connections::LINGER).await;
    }

    /// Serves until `connection` ends; from when its stay is over no longer than it must.
    async fn serve<C, E>(&self, connection: C, shut_down: fn(Pin<&mut C>))
    where
        C: Future<Output = Result<(), E>>,
        E: fmt::Display,
    {
        let mut connection = pin!(connection);
        let ended = select! {
            ended = connection.as_mut() => ended,
            () = self.is_over() => {
                shut_down(connection.as_mut());
                select! {
                    ended = connection => ended,
                    () = self.has_lingered() => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            debug!(target: "gabion::proxy", %error, "connection broke off");
        }
    }
}

// === impl WithPeer ===

impl<S> WithPeer<S> {
    fn framing(&self, version: Version) -> Framing {
        if version > Version::HTTP_11 {
            self.notes.end();
            return Framing::AsShown;
        }
        self.notes.take()
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for WithPeer<S>
where
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Leaving<TowerToHyperServiceFuture<S, Request<Incoming>>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let framing = self.framing(request.version());
        let leave = Leave::of(&request);
        let extensions = request.extensions_mut();
        extensions.insert(self.peer);
        if framing != Framing::AsShown {
            extensions.insert(framing);
        }
        Leaving::new(self.service.call(request), leave)
    }
}
