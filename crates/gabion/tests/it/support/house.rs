//! A guarded axum server on loopback, whose sockets echo.

use std::net::SocketAddr;

use axum::{
    Router,
    extract::{
        Request,
        ws::{Message, WebSocketUpgrade},
    },
    response::Response,
    routing::any,
};
use futures_util::{SinkExt as _, StreamExt as _};
use gabion::Guard;
use http::{HeaderValue, Method, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncWriteExt as _, copy, split},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, client::IntoClientRequest as _},
};

/// Echoes messages on `/ws` and below, by axum's own WebSockets, and bytes on `/raw`. It believes
/// loopback in who its clients are. Ends when it is dropped; sockets end with their clients.
pub(crate) struct House {
    guard: Guard,
    addr: SocketAddr,
    serving: JoinHandle<()>,
}

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What makes loopback speak for its clients.
pub(crate) const TRUSTING: &str = "version = 1\n[client]\ntrusted_proxies = ['127.0.0.0/8']\n";

impl House {
    pub(crate) async fn around(guard: Guard) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let app = Router::new()
            .route("/ws", any(messages))
            .route("/ws/{*more}", any(messages))
            .route("/raw", any(bytes))
            .layer(guard.axum_layer())
            .into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        Self {
            guard,
            addr,
            serving,
        }
    }

    pub(crate) const fn guard(&self) -> &Guard {
        &self.guard
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A socket of `client`'s, or the status that it was refused with.
    pub(crate) async fn open(&self, path: &str, client: &str) -> Result<Socket, StatusCode> {
        let url = format!("ws://{}{path}", self.addr);
        let mut request = url.into_client_request().unwrap();
        let client = HeaderValue::from_str(client).unwrap();
        request.headers_mut().insert("x-forwarded-for", client);
        match connect_async(request).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(refusal)) => Err(refusal.status()),
            Err(error) => panic!("{error}"),
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn messages(upgrade: WebSocketUpgrade) -> Response {
    upgrade.read_buffer_size(4096).on_upgrade(|socket| async {
        let (mut send, mut receive) = socket.split();
        while let Some(Ok(message)) = receive.next().await {
            // Pings are answered unasked.
            let data = matches!(message, Message::Text(_) | Message::Binary(_));
            if data && send.send(message).await.is_err() {
                return;
            }
        }
    })
}

async fn bytes(mut request: Request) -> Response {
    let mut response = Response::default();
    if request.method() != Method::CONNECT {
        if !request.headers().contains_key("upgrade") {
            return response;
        }
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    }
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async {
        let (mut read, mut write) = split(TokioIo::new(upgrade.await.unwrap()));
        let _ = copy(&mut read, &mut write).await;
        let _ = write.shutdown().await;
    });
    response
}
