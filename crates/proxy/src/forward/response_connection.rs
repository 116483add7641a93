//! A response and the connection that it arrives on.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body as _, Frame};
use hyper::body::Incoming;

use super::{
    http2_connection::Http2Connection, idle_connections::IdleConnections,
    upstream_connection::UpstreamConnection,
};
use crate::upstream::Lease;

/// A response with the connection that its body arrives on.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) response: Response<Incoming>,
    pub(super) connection: ResponseConnection,
    /// The request counts as in progress at its upstream until this is dropped.
    pub(super) lease: Option<Lease>,
}

/// The connection that a response arrives on, until its body has ended.
#[derive(Debug)]
pub(super) enum ResponseConnection {
    /// Driven by the task that reads the response, and then put back.
    Http1(UpstreamConnection, Arc<IdleConnections>),
    /// Driven by a task of its own, and held to count its streams.
    Http2 { _streams: Arc<Http2Connection> },
}

// === impl ResponseConnection ===

impl ResponseConnection {
    /// Polls the body, and drives the connection if that is needed.
    pub(super) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut Incoming,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self {
            Self::Http1(connection, _) => {
                connection.poll(cx, |cx| Pin::new(&mut *body).poll_frame(cx))
            }
            Self::Http2 { .. } => Pin::new(body).poll_frame(cx),
        }
    }

    /// Gives the connection back after its exchange.
    pub(super) fn release(self) {
        if let Self::Http1(connection, idle) = self {
            idle.put(connection);
        }
    }
}
