//! One accepted connection.

use std::{error::Error, fmt, pin::Pin, pin::pin, sync::Arc, time::Duration};

use gabion_core::{Framing, PeerAddr};
use http::{Request, Response, Version};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::TokioIo,
    server::conn::auto,
    service::{TowerToHyperService, TowerToHyperServiceFuture},
};
use tokio::{net::TcpStream, select, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    framing::{Followed, Notes},
    leave::{Leave, Leaving},
    options::{ServeOptions, Wire},
};

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
    stopping: CancellationToken,
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
            stopping: CancellationToken::new(),
        }
    }

    /// Has connections end after what they are at.
    pub(super) fn stop(&self) {
        self.stopping.cancel();
    }

    /// Serves one connection to its end, or to its upgrade.
    pub(super) async fn drive<S: HttpService>(self, socket: TcpStream, peer: PeerAddr, service: S) {
        // hyper holds a connection that never spoke for one at work, and does not time it where it
        // has yet to find out its version. A peek, since tokio may call a socket readable early.
        let mut first = [0];
        let spoken = select! {
            () = self.stopping.cancelled() => return,
            spoken = timeout(self.patience, socket.peek(&mut first)) => spoken,
        };
        if !matches!(spoken, Ok(Ok(1))) {
            return;
        }
        let notes = Arc::<Notes>::default();
        let io = TokioIo::new(Followed::new(socket, Arc::clone(&notes)));
        let service = WithPeer {
            service: TowerToHyperService::new(service),
            peer,
            notes,
        };
        match &*self.wire {
            Wire::Http1(builder) => {
                let connection = builder.serve_connection(io, service).with_upgrades();
                self.finish(connection, http1::UpgradeableConnection::graceful_shutdown)
                    .await;
            }
            Wire::Either(builder) => {
                let connection = builder.serve_connection_with_upgrades(io, service);
                self.finish(connection, auto::UpgradeableConnection::graceful_shutdown)
                    .await;
            }
        }
    }

    async fn finish<C, E>(&self, connection: C, shut_down: fn(Pin<&mut C>))
    where
        C: Future<Output = Result<(), E>>,
        E: fmt::Display,
    {
        let mut connection = pin!(connection);
        let ended = select! {
            ended = connection.as_mut() => ended,
            () = self.stopping.cancelled() => {
                shut_down(connection.as_mut());
                connection.await
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
