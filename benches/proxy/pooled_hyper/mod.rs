//! The proxy of hyper alone ([`plain_hyper`]) with the upstream connections of `crates/proxy` instead of hyper-util's
//! pooled client: only the pool differs. The files are those of the product.

#[allow(dead_code, reason = "its tests run in their own crate")]
#[path = "../../../crates/proxy/src/forward/driver_waker.rs"]
mod driver_waker;
#[allow(dead_code, reason = "a reload of the product closes connections")]
#[path = "../../../crates/proxy/src/forward/idle_connections.rs"]
mod idle_connections;
#[path = "../../../crates/proxy/src/forward/upstream_connection.rs"]
mod upstream_connection;

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{
    HeaderCase,
    plain_hyper::{self, Forwarded},
    upstream::Resolution,
};
use idle_connections::IdleConnections;
use upstream_connection::UpstreamConnection;

/// The option that runs this program as the proxy, followed by its own and the upstream address.
pub(crate) const FLAG: &str = "--pooled-hyper";

/// The names that the files of the product use.
mod upload {
    pub(super) type Upload = hyper::body::Incoming;
}
mod upstream_io {
    pub(super) type UpstreamIo = hyper_util::rt::TokioIo<tokio::net::TcpStream>;
}

/// The upstream server and its idle connections.
#[derive(Clone)]
struct Pool {
    upstream: SocketAddr,
    idle: Arc<IdleConnections>,
    resolution: Arc<Resolution>,
}

/// A response body that drives its connection, and returns it after the last frame.
struct PooledBody {
    body: Incoming,
    connection: Option<UpstreamConnection>,
    idle: Arc<IdleConnections>,
}

/// Forwards requests from `listen` to `upstream`, until SIGTERM.
pub(crate) fn serve(listen: SocketAddr, upstream: SocketAddr) {
    let pool = Pool {
        upstream,
        idle: Arc::new(IdleConnections::new(Duration::from_secs(90))),
        resolution: Arc::default(),
    };
    plain_hyper::run(listen, move |request| exchange(pool.clone(), request));
}

async fn exchange(pool: Pool, mut request: Request<Incoming>) -> Forwarded {
    // The target is that of hyper-util's client, which makes it of an absolute URL.
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map(Into::into).unwrap_or_default();
    let connection = match pool.idle.take(&pool.resolution) {
        Some(connection) => Some(connection),
        None => connect(pool.upstream).await,
    };
    let Some(mut connection) = connection else {
        return Ok(plain_hyper::bad_gateway());
    };
    let Ok(response) = connection.send(request).await else {
        return Ok(plain_hyper::bad_gateway());
    };
    Ok(response.map(|body| {
        let mut body = PooledBody {
            body,
            connection: Some(connection),
            idle: pool.idle,
        };
        if body.is_end_stream() {
            body.release();
        }
        body.boxed_unsync()
    }))
}

async fn connect(upstream: SocketAddr) -> Option<UpstreamConnection> {
    let stream = TcpStream::connect(upstream).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let stream = TokioIo::new(stream);
    UpstreamConnection::new(stream, HeaderCase::Lower, 0)
        .await
        .ok()
}

// === impl PooledBody ===

impl PooledBody {
    fn release(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.idle.put(connection);
        }
    }
}

impl Body for PooledBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self {
            body, connection, ..
        } = &mut *self;
        let polled = match connection {
            Some(connection) => connection.poll(cx, |cx| Pin::new(&mut *body).poll_frame(cx)),
            None => Pin::new(body).poll_frame(cx),
        };
        let is_last = match &polled {
            Poll::Pending => false,
            Poll::Ready(Some(Ok(_))) => self.body.is_end_stream(),
            Poll::Ready(_) => true,
        };
        if is_last {
            self.release();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
