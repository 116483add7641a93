//! A guarded axum server on loopback, whose sockets echo.

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
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use gabion::{Guard, GuardLayer};
use http::{HeaderValue, Method, StatusCode, header::SEC_WEBSOCKET_EXTENSIONS};
use http_body_util::Empty;
use hyper::{ext::Protocol, upgrade::Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, copy, split},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
    time::sleep,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, client::IntoClientRequest as _},
};

use super::hop::Hop;

/// Echoes messages on `/ws` and below, by axum's own WebSockets, and bytes on `/raw`; `/halting` and
/// `/stuck` leave half a frame for a while, and for ever; `/heard` says
/// nothing, and listens, as does `/open`, which leaves its half open; `/granting` grants compression,
/// whoever asks; `/pouring` sends for as long as it is listened to, `/fragments` a message with a
/// pause in it, and `/talking` words without ever listening. It believes
/// loopback in who its clients are. Ends when it is dropped; sockets end with their clients.
pub(crate) struct House<G = Guard> {
    guard: G,
    addr: SocketAddr,
    heard: Heard,
    serving: JoinHandle<()>,
}

/// What a service has read.
type Heard = Arc<Mutex<Vec<u8>>>;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What makes loopback speak for its clients.
pub(crate) const TRUSTING: &str = "version = 1\n[client]\ntrusted_proxies = ['127.0.0.0/8']\n";

impl House {
    pub(crate) async fn around(guard: Guard) -> Self {
        Self::behind(guard.layer(), guard).await
    }

    pub(crate) const fn guard(&self) -> &Guard {
        &self.guard
    }
}

impl<G> House<G> {
    /// Behind a layer, and whatever lives as long.
    pub(crate) async fn behind(layer: GuardLayer, guard: G) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let heard = Heard::default();
        let app = Router::new()
            .route("/ws", any(messages))
            .route("/ws/{*more}", any(messages))
            .route("/raw", any(raw))
            .route("/halting", any(halting))
            .route("/stuck", any(stuck))
            .route("/refusing", any(refusing))
            .route("/heard", any(listening))
            .route("/open", any(open))
            .route("/granting", any(granting))
            .route("/pouring", any(pouring))
            .route("/fragments", any(fragments))
            .route("/talking", any(talking))
            .with_state(heard.clone())
            .layer(layer)
            .into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        Self {
            guard,
            addr,
            heard,
            serving,
        }
    }

    /// Has clients reach it through another port.
    pub(crate) fn through(mut self, hop: &Hop) -> Self {
        self.addr = hop.addr();
        self
    }

    /// Where clients reach it.
    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What stands before it.
    pub(crate) const fn before(&self) -> &G {
        &self.guard
    }

    /// What the service has read on `/heard`, `/open` and `/granting`.
    pub(crate) fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }

    /// A socket of `client`'s whose bytes are sent and read by hand.
    pub(crate) async fn open_raw(&self, path: &str, client: &str) -> TcpStream {
        self.open_with(path, client, "").await.0
    }

    /// The same with further lines in its handshake, and the head of the answer.
    pub(crate) async fn open_with(
        &self,
        path: &str,
        client: &str,
        lines: &str,
    ) -> (TcpStream, String) {
        let socket = TcpSocket::new_v4().unwrap();
        // What the system keeps for a client that does not read is then the same each time.
        socket.set_recv_buffer_size(64 << 10).unwrap();
        let mut stream = socket.connect(self.addr).await.unwrap();
        let ask = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nx-forwarded-for: {client}\r\n\
             connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{lines}\r\n",
            self.addr
        );
        stream.write_all(ask.as_bytes()).await.unwrap();
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

    /// The same on a stream of HTTP/2 (RFC 8441).
    pub(crate) async fn open_http2(&self, path: &str, client: &str) -> TokioIo<Upgraded> {
        let stream = TokioIo::new(TcpStream::connect(self.addr).await.unwrap());
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let to = |method| {
            let request = hyper::Request::builder().method(method);
            request.uri(format!("http://{}{path}", self.addr))
        };
        // Extended CONNECT may be sent once the server's settings have come.
        let warm = to(Method::GET).body(Empty::<Bytes>::new()).unwrap();
        sender.send_request(warm).await.unwrap();
        let ask = to(Method::CONNECT)
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .header("x-forwarded-for", client)
            .body(Empty::new())
            .unwrap();
        let answer = sender.send_request(ask).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        TokioIo::new(hyper::upgrade::on(answer).await.unwrap())
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

impl<G> Drop for House<G> {
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

async fn raw(request: Request) -> Response {
    upgraded(request, |stream| async {
        let (mut read, mut write) = split(stream);
        let _ = copy(&mut read, &mut write).await;
        let _ = write.shutdown().await;
    })
}

/// Sends half a frame, and after a while the rest and another.
async fn halting(request: Request) -> Response {
    upgraded(request, |mut stream| async move {
        stream.write_all(b"\x81\x04ab").await.unwrap();
        sleep(Duration::from_millis(300)).await;
        let _ = stream.write_all(b"cd\x81\x01e").await;
    })
}

/// Refuses, and forgets to let go.
async fn refusing(mut request: Request) -> StatusCode {
    let kept = hyper::upgrade::on(&mut request);
    tokio::spawn(async {
        let _kept = kept;
        sleep(Duration::from_mins(1)).await;
    });
    StatusCode::FORBIDDEN
}

/// Ends its half at once, and then listens.
async fn listening(State(heard): State<Heard>, request: Request) -> Response {
    upgraded(request, |mut stream| async move {
        stream.shutdown().await.unwrap();
        note(stream, heard).await;
    })
}

/// Listens, and says nothing.
async fn open(State(heard): State<Heard>, request: Request) -> Response {
    upgraded(request, |stream| note(stream, heard))
}

/// Grants compression, and says what was offered to it.
async fn granting(State(heard): State<Heard>, request: Request) -> Response {
    let offered = request.headers().get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    let offered: Vec<_> = offered.cloned().collect();
    let mut response = upgraded(request, |stream| note(stream, heard));
    let deflate = HeaderValue::from_static("permessage-deflate");
    let headers = response.headers_mut();
    headers.insert(SEC_WEBSOCKET_EXTENSIONS, deflate);
    for line in offered {
        headers.append("x-offered", line);
    }
    response
}

/// Sends for as long as it is listened to.
async fn pouring(request: Request) -> Response {
    upgraded(request, |mut stream| async move {
        let frame = [&b"\x82\x7e\x10\x00"[..], &[7; 0x1000]].concat();
        while stream.write_all(&frame).await.is_ok() {}
    })
}

/// Sends the first half of a message, and after a while the other.
async fn fragments(State(heard): State<Heard>, request: Request) -> Response {
    upgraded(request, |stream| async move {
        let (read, mut write) = split(stream);
        let speaking = async {
            write.write_all(b"\x01\x02ab").await.unwrap();
            sleep(Duration::from_millis(300)).await;
            write.write_all(b"\x80\x02cd").await.unwrap();
        };
        tokio::join!(speaking, note(read, heard));
    })
}

/// Sends a word now and then, and never listens.
async fn talking(request: Request) -> Response {
    upgraded(request, |mut stream| async move {
        while stream.write_all(b"\x81\x02so").await.is_ok() {
            sleep(Duration::from_millis(30)).await;
        }
    })
}

async fn note(mut stream: impl AsyncRead + Unpin, heard: Heard) {
    let mut read = [0; 1024];
    while let Ok(len @ 1..) = stream.read(&mut read).await {
        heard.lock().unwrap().extend(&read[..len]);
    }
}

/// Sends half a frame, and then listens.
async fn stuck(request: Request) -> Response {
    upgraded(request, |stream| async {
        let (mut read, mut write) = split(stream);
        write.write_all(b"\x81\x04ab").await.unwrap();
        let _ = copy(&mut read, &mut tokio::io::sink()).await;
    })
}

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
