//! An upstream server that records requests.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

use crate::LoopbackServer;

/// An HTTP/1.1 server on loopback that records the head of each request and answers 200 `ok`, or the
/// status in the request header `x-answer`. A WebSocket handshake on any path opens an echo. Dropping
/// it ends its connections, except open WebSockets.
#[derive(Debug)]
pub struct Backend {
    server: LoopbackServer,
    received: Arc<Mutex<Vec<ReceivedRequest>>>,
}

/// The head of a request that reached a [`Backend`].
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    /// The method.
    pub method: Method,
    /// The target as in the request line.
    pub target: String,
    /// The version.
    pub version: Version,
    /// The headers.
    pub headers: HeaderMap,
}

impl Backend {
    /// Starts the server on the runtime of the caller.
    pub async fn start() -> Self {
        let received: Arc<Mutex<Vec<_>>> = Arc::default();
        let kept = Arc::clone(&received);
        let serve = move |stream| {
            let kept = Arc::clone(&kept);
            let service = service_fn(move |request| answer(request, Arc::clone(&kept)));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            async { drop(connection.with_upgrades().await) }
        };
        Self {
            server: LoopbackServer::start(serve).await,
            received,
        }
    }

    /// The listening address.
    pub const fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The listening address as an upstream URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Removes and returns the requests received so far.
    pub fn take(&self) -> Vec<ReceivedRequest> {
        std::mem::take(&mut *self.received.lock().unwrap())
    }
}

async fn answer(
    mut request: Request<Incoming>,
    received: Arc<Mutex<Vec<ReceivedRequest>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let key = request.headers().get("sec-websocket-key").cloned();
    let status = request
        .headers()
        .get("x-answer")
        .and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok())
        .unwrap_or(StatusCode::OK);
    received.lock().unwrap().push(ReceivedRequest {
        method: request.method().clone(),
        target: request.uri().to_string(),
        version: request.version(),
        headers: request.headers().clone(),
    });
    let mut response = Response::new(Full::default());
    if let Some(key) = key {
        tokio::spawn(echo(hyper::upgrade::on(&mut request)));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert("connection", "upgrade".parse().unwrap());
        headers.insert("upgrade", "websocket".parse().unwrap());
        let accept = derive_accept_key(key.as_bytes());
        headers.insert("sec-websocket-accept", accept.parse().unwrap());
        return Ok(response);
    }
    // An unread body would close the connection.
    let _ = request.into_body().collect().await;
    *response.status_mut() = status;
    if status != StatusCode::NOT_MODIFIED {
        *response.body_mut() = Full::from("ok");
    }
    Ok(response)
}

/// Echoes text and binary messages.
async fn echo(upgraded: OnUpgrade) {
    let Ok(io) = upgraded.await else { return };
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}
