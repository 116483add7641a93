//! One connection.

use std::{sync::Arc, time::Duration};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::caller::Peer;

/// The most connections of a listener.
const CONNECTIONS: usize = 64;

/// The time for a request head, also of a connection without a request.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// The time of a connection, with all its requests.
const CONNECTION_TIME: Duration = Duration::from_mins(5);

/// Limits the connections of a listener.
pub(super) struct Connections(Arc<Semaphore>);

// === impl Connections ===

impl Connections {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(CONNECTIONS)))
    }

    /// Waits until there is room for another connection.
    pub(super) async fn room(&self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(permit) = Arc::clone(&self.0).acquire_owned().await {
                return permit;
            }
        }
    }
}

/// Serves the requests of a connection.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    router: Router,
) {
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service);
    // A caller that hangs up is of no interest, and one that takes too long is cut.
    let _ = timeout(CONNECTION_TIME, connection).await;
}
