//! A server with scripted responses, with or without TLS.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use gabion_testkit::LoopbackServer;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role},
    },
};

/// A server on a free port of 127.0.0.1. Dropping it stops it.
pub(super) struct MockServer(LoopbackServer);

/// The head of a request.
pub(super) struct MockRequest(String);

/// The bytes of a response, and the behavior of the connection after them.
pub(super) struct MockResponse {
    bytes: Vec<u8>,
    behavior: Behavior,
}

/// The behavior of a connection after the response. All but `End` and `Mute` answer pings.
#[derive(Clone, Copy)]
pub(super) enum Behavior {
    /// Closes the connection at once.
    End,
    /// Closes the WebSocket with this code.
    Close(u16),
    /// Sends each text back.
    Echo,
    /// Sends nothing but pongs.
    Pong,
    /// Sends nothing.
    Mute,
    /// Closes the connection after this time without a frame.
    CutIdle(Duration),
    /// Closes the connection at this age.
    CutAged(Duration),
    /// Closes the WebSocket with this code after this time without a frame.
    CloseIdle(Duration, u16),
    /// Closes the WebSocket with this code at the first text.
    CloseAtText(u16),
}

/// A connection, with or without TLS.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Transport for S {}

impl MockServer {
    /// Starts a server without TLS.
    pub(super) async fn start(
        response: impl Fn(&MockRequest) -> MockResponse + Send + Sync + 'static,
    ) -> Self {
        Self::with_tls(None, response).await
    }

    /// Starts a server, with TLS if `tls` is given.
    pub(super) async fn with_tls(
        tls: Option<TlsAcceptor>,
        response: impl Fn(&MockRequest) -> MockResponse + Send + Sync + 'static,
    ) -> Self {
        let response = Arc::new(response);
        Self::raw(move |socket| serve(socket, tls.clone(), Arc::clone(&response))).await
    }

    /// Starts a server that runs `serve` on each connection.
    pub(super) async fn raw<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(LoopbackServer::start(serve).await)
    }

    pub(super) const fn port(&self) -> u16 {
        self.0.addr().port()
    }

    /// Returns the URL of `/ws` with this scheme.
    pub(super) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}/ws", self.port())
    }
}

async fn serve(
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    response: Arc<impl Fn(&MockRequest) -> MockResponse + Send + Sync>,
) {
    let mut first = [0];
    let is_client_hello = socket.peek(&mut first).await.is_ok() && first == [0x16];
    let mut stream: Box<dyn Transport> = match tls {
        // A TLS record has no line end: reading a line would hang.
        None if is_client_hello => return,
        None => Box::new(socket),
        Some(tls) => match tls.accept(socket).await {
            Ok(stream) => Box::new(stream),
            Err(_) => return,
        },
    };
    let Some(request) = MockRequest::read(&mut stream).await else {
        return;
    };
    let MockResponse { bytes, behavior } = response(&request);
    if stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok() {
        behavior.run(stream).await;
    }
}

// === impl MockRequest ===

impl MockRequest {
    async fn read(stream: &mut Box<dyn Transport>) -> Option<Self> {
        let mut head = String::new();
        // Nothing is lost with the buffer: the client waits for the response.
        let mut stream = BufReader::new(stream);
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        Some(Self(head))
    }

    /// Returns the value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.0.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(name_on_line, value)| {
            name_on_line.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Returns `true` for a WebSocket handshake.
    pub(super) fn is_handshake(&self) -> bool {
        self.header("sec-websocket-key").is_some()
    }

    /// Returns a valid 101 with this behavior; a 426 for a plain GET.
    pub(super) fn upgrade(&self, behavior: Behavior) -> MockResponse {
        self.upgrade_with("", behavior)
    }

    /// Returns the same with additional header lines.
    pub(super) fn upgrade_with(&self, lines: &str, behavior: Behavior) -> MockResponse {
        let Some(key) = self.header("sec-websocket-key") else {
            return response(426, "a WebSocket");
        };
        let accept = derive_accept_key(key.as_bytes());
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{lines}\r\n"
        );
        MockResponse {
            bytes: head.into(),
            behavior,
        }
    }
}

/// Returns a response with a text body.
pub(super) fn response(status: u16, body: &str) -> MockResponse {
    response_with(status, "Content-Type: text/plain\r\n", body)
}

/// Returns a response with these header lines.
pub(super) fn response_with(status: u16, lines: &str, body: &str) -> MockResponse {
    let length = body.len();
    MockResponse::new(format!(
        "HTTP/1.1 {status} Mock\r\nContent-Length: {length}\r\n{lines}\r\n{body}"
    ))
}

impl MockResponse {
    /// Creates a response of these bytes; the connection is closed after it.
    pub(super) fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            behavior: Behavior::End,
        }
    }

    /// Appends bytes that are sent together with the response.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

// === impl Behavior ===

impl Behavior {
    async fn run(self, stream: Box<dyn Transport>) {
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        match self {
            Self::End => {}
            Self::Mute => sleep(Duration::from_mins(1)).await,
            Self::Close(code) => close(&mut socket, code).await,
            Self::Pong => while let Some(Ok(_)) = socket.next().await {},
            Self::CutAged(age) => {
                let _ = timeout(age, async {
                    while let Some(Ok(_)) = socket.next().await {}
                })
                .await;
            }
            Self::Echo => {
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() {
                        let _ = socket.send(message).await;
                    }
                }
            }
            Self::CloseAtText(code) => {
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() {
                        close(&mut socket, code).await;
                    }
                }
            }
            Self::CutIdle(silence) => {
                while let Ok(Some(Ok(_))) = timeout(silence, socket.next()).await {}
            }
            Self::CloseIdle(silence, code) => {
                while let Ok(Some(Ok(_))) = timeout(silence, socket.next()).await {}
                close(&mut socket, code).await;
            }
        }
    }
}

async fn close(socket: &mut WebSocketStream<Box<dyn Transport>>, code: u16) {
    let frame = CloseFrame {
        code: code.into(),
        reason: "by the test".into(),
    };
    let _ = socket.send(Message::Close(Some(frame))).await;
    // Closing with unread bytes would reset the connection and lose the close frame.
    while let Some(Ok(_)) = socket.next().await {}
}
