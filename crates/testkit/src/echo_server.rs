//! A guarded axum server with WebSocket routes.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{
        Request, State,
        ws::{Message, WebSocketUpgrade},
    },
    response::Response,
    routing::any,
};
use futures_util::{SinkExt as _, StreamExt as _};
use gabion_tower::GuardLayer;
use http::{HeaderValue, Method, StatusCode, header::SEC_WEBSOCKET_EXTENSIONS};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, copy, split},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, client::IntoClientRequest as _},
};

use crate::{Http2Client, IdleTimeoutRelay, RouterServer};

/// An axum server behind a [`GuardLayer`]. Its routes do the following with an open WebSocket:
///
/// | route | behavior |
/// |---|---|
/// | `/ws`, `/ws/...` | echoes messages, by axum's WebSockets |
/// | `/raw` | echoes bytes |
/// | `/open` | records bytes and sends nothing |
/// | `/half-closed` | closes its sending direction, then records bytes |
/// | `/granting` | records bytes; its handshake accepts compression even if none was offered, and lists the offers in `x-offered` |
/// | `/halting` | sends half a frame, and the rest after 300 ms |
/// | `/stuck` | sends half a frame and never the rest |
/// | `/fragments` | sends half a message, and the rest after 300 ms; records bytes |
/// | `/talking` | sends a text every 30 ms and never reads |
/// | `/pouring` | sends as fast as the client reads |
/// | `/refusing` | answers 403 and keeps the upgrade for a minute |
///
/// Clients name their address in `X-Forwarded-For`; a policy must trust loopback. Dropping the server
/// ends its accept loop; open sockets stay until their clients close.
#[derive(Debug)]
pub struct EchoServer<G> {
    guard: G,
    addr: SocketAddr,
    received: Received,
    _server: RouterServer,
}

/// The bytes that a route recorded.
type Received = Arc<Mutex<Vec<u8>>>;

/// The client end of a WebSocket.
pub type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

// === impl EchoServer ===

impl<G> EchoServer<G> {
    /// Starts the server behind `layer`. It keeps `guard` for the test.
    pub async fn start(layer: GuardLayer, guard: G) -> Self {
        let received = Received::default();
        let router = Router::new()
            .route("/ws", any(messages))
            .route("/ws/{*more}", any(messages))
            .route("/raw", any(raw))
            .route("/halting", any(halting))
            .route("/stuck", any(stuck))
            .route("/refusing", any(refusing))
            .route("/half-closed", any(half_closed))
            .route("/open", any(open))
            .route("/granting", any(granting))
            .route("/pouring", any(pouring))
            .route("/fragments", any(fragments))
            .route("/talking", any(talking))
            .with_state(received.clone())
            .layer(layer);
        let server = RouterServer::start(router).await;
        Self {
            guard,
            addr: server.addr(),
            received,
            _server: server,
        }
    }

    /// Makes clients connect through `relay`.
    pub fn through(mut self, relay: &IdleTimeoutRelay) -> Self {
        self.addr = relay.addr();
        self
    }

    /// The address that clients connect to.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The value given to [`Self::start`].
    pub const fn guard(&self) -> &G {
        &self.guard
    }

    /// The bytes recorded by all routes so far.
    pub fn received(&self) -> Vec<u8> {
        self.received.lock().unwrap().clone()
    }

    /// Waits until `len` bytes are recorded, and returns them.
    ///
    /// # Panics
    ///
    /// If fewer arrive in 5 seconds.
    pub async fn wait_for_received(&self, len: usize) -> Vec<u8> {
        let wait = async {
            while self.received().len() < len {
                sleep(Duration::from_millis(2)).await;
            }
        };
        let arrived = timeout(Duration::from_secs(5), wait).await.is_ok();
        assert!(arrived, "{}", self.received().escape_ascii());
        self.received()
    }

    /// Opens a WebSocket whose client sends and reads bytes.
    pub async fn open_raw(&self, path: &str, client: &str) -> TcpStream {
        self.open_with(path, client, "").await.0
    }

    /// Like [`Self::open_raw`] with more header lines in the handshake. Also returns the response head.
    pub async fn open_with(&self, path: &str, client: &str, lines: &str) -> (TcpStream, String) {
        let socket = TcpSocket::new_v4().unwrap();
        // Fixes the number of bytes that the kernel buffers for a client that does not read.
        socket.set_recv_buffer_size(64 << 10).unwrap();
        let mut stream = socket.connect(self.addr).await.unwrap();
        let handshake = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nx-forwarded-for: {client}\r\n\
             connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{lines}\r\n",
            self.addr
        );
        stream.write_all(handshake.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(
            head.starts_with(b"HTTP/1.1 101 "),
            "{}",
            head.escape_ascii()
        );
        (stream, String::from_utf8(head).unwrap())
    }

    /// Opens a WebSocket on an HTTP/2 stream (RFC 8441) whose client sends and reads bytes.
    pub async fn open_http2(&self, path: &str, client: &str) -> TokioIo<Upgraded> {
        let mut http2 = Http2Client::connect(self.addr).await;
        http2.send(Method::GET, path, &[]).await;
        let headers = [("x-forwarded-for", client)];
        http2.open_websocket(path, &headers).await.unwrap()
    }

    /// Opens a WebSocket, or returns the status of the refusal.
    pub async fn open(&self, path: &str, client: &str) -> Result<WebSocket, StatusCode> {
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

// === the routes ===

async fn messages(upgrade: WebSocketUpgrade) -> Response {
    upgrade.read_buffer_size(4096).on_upgrade(|socket| async {
        let (mut send, mut receive) = socket.split();
        while let Some(Ok(message)) = receive.next().await {
            // axum answers pings by itself.
            let data = matches!(message, Message::Text(_) | Message::Binary(_));
            if data && send.send(message).await.is_err() {
                return;
            }
        }
    })
}

async fn raw(request: Request) -> Response {
    upgraded(request, |stream| async {
        let (mut read, mut write) = split(stream);
        let _ = copy(&mut read, &mut write).await;
        let _ = write.shutdown().await;
    })
}

async fn halting(request: Request) -> Response {
    upgraded(request, |mut stream| async move {
        stream.write_all(b"\x81\x04ab").await.unwrap();
        sleep(Duration::from_millis(300)).await;
        let _ = stream.write_all(b"cd\x81\x01e").await;
    })
}

async fn refusing(mut request: Request) -> StatusCode {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async {
        let _upgrade = upgrade;
        sleep(Duration::from_mins(1)).await;
    });
    StatusCode::FORBIDDEN
}

async fn half_closed(State(received): State<Received>, request: Request) -> Response {
    upgraded(request, |mut stream| async move {
        stream.shutdown().await.unwrap();
        record(stream, received).await;
    })
}

async fn open(State(received): State<Received>, request: Request) -> Response {
    upgraded(request, |stream| record(stream, received))
}

async fn granting(State(received): State<Received>, request: Request) -> Response {
    let offered = request.headers().get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    let offered: Vec<_> = offered.cloned().collect();
    let mut response = upgraded(request, |stream| record(stream, received));
    let deflate = HeaderValue::from_static("permessage-deflate");
    let headers = response.headers_mut();
    headers.insert(SEC_WEBSOCKET_EXTENSIONS, deflate);
    for line in offered {
        headers.append("x-offered", line);
    }
    response
}

async fn pouring(request: Request) -> Response {
    upgraded(request, |mut stream| async move {
        let frame = [&b"\x82\x7e\x10\x00"[..], &[7; 0x1000]].concat();
        while stream.write_all(&frame).await.is_ok() {}
    })
}

async fn fragments(State(received): State<Received>, request: Request) -> Response {
    upgraded(request, |stream| async move {
        let (read, mut write) = split(stream);
        let sending = async {
            write.write_all(b"\x01\x02ab").await.unwrap();
            sleep(Duration::from_millis(300)).await;
            write.write_all(b"\x80\x02cd").await.unwrap();
        };
        tokio::join!(sending, record(read, received));
    })
}

async fn talking(request: Request) -> Response {
    upgraded(request, |mut stream| async move {
        while stream.write_all(b"\x81\x02so").await.is_ok() {
            sleep(Duration::from_millis(30)).await;
        }
    })
}

async fn record(mut stream: impl AsyncRead + Unpin, received: Received) {
    let mut read = [0; 1024];
    while let Ok(len @ 1..) = stream.read(&mut read).await {
        received.lock().unwrap().extend(&read[..len]);
    }
}

async fn stuck(request: Request) -> Response {
    upgraded(request, |stream| async {
        let (mut read, mut write) = split(stream);
        write.write_all(b"\x81\x04ab").await.unwrap();
        let _ = copy(&mut read, &mut tokio::io::sink()).await;
    })
}

/// Accepts the handshake and runs `with` on the stream; answers 200 to a request without one.
fn upgraded<F>(
    mut request: Request,
    with: impl FnOnce(TokioIo<Upgraded>) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = ()> + Send,
{
    let mut response = Response::default();
    if request.method() != Method::CONNECT {
        if !request.headers().contains_key("upgrade") {
            return response;
        }
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    }
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async { with(TokioIo::new(upgrade.await.unwrap())).await });
    response
}
