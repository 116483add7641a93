//! The connections of one worker to one upstream.

use std::sync::Arc;

use http::{Request, Response, header::UPGRADE};
use hyper::body::Incoming;

use super::{
    error::Failure,
    http2_pool::Http2Pool,
    idle_connections::IdleConnections,
    options::ProxyOptions,
    pool_registry::SharedConnections,
    response_connection::{Exchange, ResponseConnection},
    retry::{RequestSlot, RetryableRequest, Unanswered},
    upload::Upload,
    upstream_connection::UpstreamConnection,
    upstream_io::UpstreamIo,
};
use crate::{
    HeaderCase,
    tunnels::WorkerId,
    upstream::{Connector, Group, HttpVersion, Lease, Member},
};

/// The connections to one upstream: idle ones for HTTP/1.1, shared ones for HTTP/2.
#[derive(Debug)]
pub(super) struct Pool {
    connector: Connector,
    /// Set if the upstream speaks HTTP/2. WebSocket handshakes do not use it.
    http2: Option<Arc<Http2Pool>>,
    /// Requests on new connections are copied, because another upstream may answer them.
    has_alternative: bool,
    header_case: HeaderCase,
    idle: Arc<IdleConnections>,
}

/// The connections that a request may be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    /// An idle one, or else a new one.
    Idle,
    /// A new one only.
    Never,
}

// === impl Pool ===

impl Pool {
    pub(super) fn new(
        group: &Group,
        member: &Arc<Member>,
        options: &ProxyOptions,
        worker: WorkerId,
    ) -> Self {
        let SharedConnections { idle, http2 } =
            options.pools.connections(worker, member, options.pool_idle);
        Self {
            connector: Connector::new(group, member, options.connect_timeout),
            http2,
            has_alternative: !group.has_one_member(),
            header_case: options.header_case,
            idle,
        }
    }

    /// Sends the request in `slot` on an idle connection, or on a new one. Without a response, the request is in the
    /// slot if it may be sent again.
    pub(super) async fn send(
        &self,
        slot: &mut RequestSlot,
        reuse: Reuse,
        lease: Option<Lease>,
    ) -> Result<Exchange, Unanswered> {
        if let Some(http2) = &self.http2
            && slot.as_ref().is_some_and(|request| !is_handshake(request))
        {
            return Box::pin(http2.send(&self.connector, slot, lease)).await;
        }
        while reuse == Reuse::Idle
            && let Some(mut connection) = self.idle.take(self.connector.member().resolution())
            && let Some(request) = slot.take()
        {
            let copy = RetryableRequest::from_request(&request);
            let mut error = match connection.send(request).await {
                Ok(response) => return Ok(self.exchange(response, connection, lease)),
                Err(error) => error,
            };
            // Otherwise the connection was closed before anything was sent.
            *slot = error.take_message();
            if slot.is_none() {
                return Err(Unanswered::lost(error.into_error(), copy, slot));
            }
        }
        // Connecting is rare; boxed, it does not enlarge the future of each request.
        let connected = Box::pin(self.connect()).await;
        let mut connection = connected.map_err(Unanswered::unsent)?;
        let request = slot.take().ok_or_else(Unanswered::already_sent)?;
        let copy = self
            .has_alternative
            .then(|| RetryableRequest::from_request(&request));
        match connection.send(request).await {
            Ok(response) => Ok(self.exchange(response, connection, lease)),
            Err(error) => Err(Unanswered::lost(error.into_error(), copy.flatten(), slot)),
        }
    }

    fn exchange(
        &self,
        response: Response<Incoming>,
        connection: UpstreamConnection,
        lease: Option<Lease>,
    ) -> Exchange {
        Exchange {
            response,
            connection: ResponseConnection::Http1(connection, Arc::clone(&self.idle)),
            lease,
        }
    }

    /// Connects over HTTP/1.1.
    async fn connect(&self) -> Result<UpstreamConnection, Failure> {
        let generation = self.connector.member().resolution().generation();
        let stream = self.connector.connect(HttpVersion::Http1).await?;
        let stream = UpstreamIo::new(stream);
        let connection = UpstreamConnection::new(stream, self.header_case, generation).await;
        Ok(connection?)
    }
}

/// Returns `true` for a WebSocket handshake: of the hop-by-hop headers, only that has any left.
fn is_handshake(request: &Request<Upload>) -> bool {
    request.headers().contains_key(UPGRADE)
}
