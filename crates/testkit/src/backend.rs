//! The server behind a guard.

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
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

/// A server on loopback that remembers the head of each request that reached it, and answers
/// 200 `ok`, or with the status that the request's `x-answer` asks for. A WebSocket handshake on any
/// path opens an echo. It ends when it is dropped; echoes end with their sockets.
#[derive(Debug)]
pub struct Backend {
    addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    accepting: JoinHandle<()>,
}

/// What reached the server.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// The target, as it stood in the request line.
    pub target: String,
    /// The version.
    pub version: Version,
    /// The headers.
    pub headers: HeaderMap,
}

impl Backend {
    /// Starts it on the runtime of the caller.
    ///
    /// # Panics
    ///
    /// Where loopback has no port left.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&seen)));
        Self {
            addr,
            seen,
            accepting,
        }
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it listens, as an upstream is named.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What reached it since it was last asked.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, seen: Arc<Mutex<Vec<Seen>>>) {
    while let Ok((socket, _)) = listener.accept().await {
        let seen = Arc::clone(&seen);
        let _ = socket.set_nodelay(true);
        let service = service_fn(move |request| answer(request, Arc::clone(&seen)));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        tokio::spawn(connection.with_upgrades());
    }
}

async fn answer(
    mut request: Request<Incoming>,
    seen: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let key = request.headers().get("sec-websocket-key").cloned();
    let status = request
        .headers()
        .get("x-answer")
        .and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok())
        .unwrap_or(StatusCode::OK);
    seen.lock().unwrap().push(Seen {
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
    // A body that is left unread would end the connection.
    let _ = request.into_body().collect().await;
    *response.status_mut() = status;
    if status != StatusCode::NOT_MODIFIED {
        *response.body_mut() = Full::from("ok");
    }
    Ok(response)
}

/// Sends each message back.
async fn echo(upgraded: OnUpgrade) {
    let Ok(io) = upgraded.await else { return };
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}
