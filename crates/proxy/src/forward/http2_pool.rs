//! HTTP/2 connections to one upstream.

use std::{
    io, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{
    HeaderValue, Request, Uri, Version,
    header::HOST,
    uri::{Authority, Scheme},
};
use tokio::time::{Instant, timeout};

use super::{
    error::{Failure, UpstreamError},
    http2_connection::Http2Connection,
    response_connection::{Exchange, ResponseConnection},
    retry::{RequestSlot, RetryableRequest, Unanswered},
    upload::Upload,
};
use crate::upstream::{Connector, HttpVersion, Lease};

/// The HTTP/2 connections to one upstream, which many exchanges share. Another one is opened when all carry as many
/// streams as the upstream allows.
#[derive(Debug, Default)]
pub(super) struct Http2Pool {
    connections: Mutex<Vec<Arc<Http2Connection>>>,
    /// Held while one task connects for all that wait, each as long as connecting may take.
    connecting: tokio::sync::Mutex<()>,
}

/// The most connections that a request is handed to, each because the one before it just closed.
const MAX_ROUNDS: usize = 3;

// === impl Http2Pool ===

impl Http2Pool {
    /// Sends the request in `slot` on a stream of its own. Without a response, the request is in the slot if it may
    /// be sent again.
    pub(super) async fn send(
        &self,
        connector: &Connector,
        slot: &mut RequestSlot,
        lease: Option<Lease>,
    ) -> Result<Exchange, Unanswered> {
        for _ in 0..MAX_ROUNDS {
            let connected = self.connection(connector).await;
            let connection = connected.map_err(Unanswered::unsent)?;
            let request = slot.take().ok_or_else(Unanswered::already_sent)?;
            let copy = RetryableRequest::from_request(&request);
            let progress = Arc::clone(request.body().progress());
            let authority = connector.member().upstream().authority();
            let request = into_http2(request, authority);
            let mut error = match connection.requests().try_send_request(request).await {
                Ok(response) => {
                    return Ok(Exchange {
                        response,
                        connection: ResponseConnection::Http2 {
                            _streams: connection,
                        },
                        lease,
                    });
                }
                Err(error) => error,
            };
            // The connection was closed before anything was sent: it is not chosen again.
            if let Some(unsent) = error.take_message() {
                *slot = Some(into_http1(unsent));
                continue;
            }
            let mut unanswered = Unanswered::lost(error.into_error(), copy, slot);
            // hyper does not report why an HTTP/2 request body failed.
            if let Some(failure) = progress.failure() {
                unanswered.failure = failure.into();
            }
            return Err(unanswered);
        }
        let closed = io::Error::other("it closes each HTTP/2 connection at once");
        Err(Unanswered::unsent(
            UpstreamError::Broken(closed.into()).into(),
        ))
    }

    /// Lets connections close after the streams that they carry.
    pub(super) fn close(&self) {
        self.connections().clear();
    }

    /// Returns a connection with room for a stream.
    async fn connection(&self, connector: &Connector) -> Result<Arc<Http2Connection>, Failure> {
        let resolution = connector.member().resolution();
        resolution.refresh(Instant::now());
        let generation = resolution.generation();
        if let Some(connection) = self.with_room(generation) {
            return Ok(connection);
        }
        let connecting = timeout(connector.timeout(), self.connecting.lock()).await;
        let _connecting = connecting.map_err(|elapsed| {
            let error = io::Error::new(io::ErrorKind::TimedOut, elapsed);
            UpstreamError::ConnectTimeout(error.into())
        })?;
        if let Some(connection) = self.with_room(generation) {
            return Ok(connection);
        }
        let stream = connector.connect(HttpVersion::Http2).await?;
        let connection = Arc::new(Http2Connection::new(stream, generation).await?);
        self.connections().push(Arc::clone(&connection));
        Ok(connection)
    }

    /// Returns an open connection with room for a stream. Drops those that are closed or lead to an earlier
    /// address, and those without streams but one.
    fn with_room(&self, generation: usize) -> Option<Arc<Http2Connection>> {
        let mut connections = self.connections();
        let mut has_unused = false;
        connections.retain(|connection| {
            let is_unused = Arc::strong_count(connection) == 1;
            let is_spare = is_unused && mem::replace(&mut has_unused, true);
            connection.is_current(generation) && !is_spare
        });
        let has_room = |connection: &&Arc<Http2Connection>| {
            // The pool itself holds one.
            let streams = Arc::strong_count(connection) - 1;
            streams < connection.max_streams()
        };
        connections.iter().find(has_room).cloned()
    }

    /// A panic under this lock could only come from an allocation, which leaves the list consistent.
    fn connections(&self) -> MutexGuard<'_, Vec<Arc<Http2Connection>>> {
        let connections = self.connections.lock();
        connections.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Converts the head to HTTP/2: the host becomes the authority (RFC 9113, 8.3.1). hyper removes the transfer coding.
fn into_http2(mut request: Request<Upload>, upstream: &str) -> Request<Upload> {
    let host = request.headers_mut().remove(HOST);
    let authority: Option<Authority> = host
        .as_ref()
        .map(HeaderValue::as_bytes)
        .and_then(|host| host.try_into().ok())
        .or_else(|| upstream.parse().ok());
    let mut uri = mem::take(request.uri_mut()).into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = authority;
    *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
    *request.version_mut() = Version::HTTP_2;
    request
}

/// Reverts [`into_http2`] for a request that was not sent.
fn into_http1(mut request: Request<Upload>) -> Request<Upload> {
    let uri = mem::take(request.uri_mut()).into_parts();
    let host = uri.authority.as_ref().map(Authority::as_str);
    if let Some(host) = host.and_then(|host| HeaderValue::from_str(host).ok()) {
        request.headers_mut().insert(HOST, host);
    }
    *request.uri_mut() = uri.path_and_query.map_or_else(Uri::default, Uri::from);
    *request.version_mut() = Version::HTTP_11;
    request
}
