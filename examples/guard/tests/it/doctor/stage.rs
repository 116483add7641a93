//! A server that answers as a test tells it to.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
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

/// A server. It ends when it is dropped.
pub(super) struct Stage {
    addr: SocketAddr,
    _tasks: JoinSet<()>,
}

/// A request's head.
pub(super) struct Asked(String);

/// What comes back, and what then.
pub(super) struct Answer {
    bytes: Vec<u8>,
    then: Then,
}

/// What a socket does when it is open. Pings are answered unless it says otherwise.
#[derive(Clone, Copy)]
pub(super) enum Then {
    /// Is cut, if it was opened at all.
    End,
    /// Is closed with this code.
    Close(u16),
    /// Sends each message back.
    Echo,
    /// Takes everything and sends nothing back but pongs.
    Pong,
    /// Sends nothing at all.
    Mute,
    /// Is cut when nothing came for so long.
    CutIdle(Duration),
    /// Is cut at that age.
    CutAged(Duration),
    /// Is closed with this code when nothing came for so long.
    CloseIdle(Duration, u16),
    /// Is closed with this code at the first text.
    CloseAtText(u16),
}

/// Boxed, for a socket with TLS and one without.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Stage {
    /// Starts it.
    pub(super) async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::with_tls(None, answer).await
    }

    /// Starts it with TLS.
    pub(super) async fn with_tls(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let answer = Arc::new(answer);
        Self::raw(move |socket| serve(socket, tls.clone(), Arc::clone(&answer))).await
    }

    /// Starts it with whatever is done to a connection.
    pub(super) async fn raw<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut sockets = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                sockets.spawn(serve(socket));
            }
        });
        Self {
            addr,
            _tasks: tasks,
        }
    }

    pub(super) const fn port(&self) -> u16 {
        self.addr.port()
    }

    /// A URL of it.
    pub(super) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}/ws", self.addr.port())
    }
}

async fn serve(
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    answer: Arc<impl Fn(&Asked) -> Answer + Send + Sync>,
) {
    let mut first = [0];
    let is_hello = socket.peek(&mut first).await.is_ok() && first == [0x16];
    let mut stream: Box<dyn Stream> = match tls {
        // It would wait for a line that never ends.
        None if is_hello => return,
        None => Box::new(socket),
        Some(tls) => match tls.accept(socket).await {
            Ok(stream) => Box::new(stream),
            Err(_) => return,
        },
    };
    let Some(asked) = Asked::read(&mut stream).await else {
        return;
    };
    let Answer { bytes, then } = answer(&asked);
    if stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok() {
        then.play(stream).await;
    }
}

// === impl Asked ===

impl Asked {
    async fn read(stream: &mut Box<dyn Stream>) -> Option<Self> {
        let mut head = String::new();
        // A client says nothing more before it has its answer.
        let mut stream = BufReader::new(stream);
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        Some(Self(head))
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.0.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(named, value)| named.eq_ignore_ascii_case(name).then_some(value))
    }

    /// Whether it is a handshake.
    pub(super) fn is_handshake(&self) -> bool {
        self.header("sec-websocket-key").is_some()
    }

    /// A right 101, and what then; a 426 for a plain GET.
    pub(super) fn opened(&self, then: Then) -> Answer {
        self.opened_with("", then)
    }

    /// The same, with more lines of head.
    pub(super) fn opened_with(&self, lines: &str, then: Then) -> Answer {
        let Some(key) = self.header("sec-websocket-key") else {
            return answer(426, "a WebSocket");
        };
        let accept = derive_accept_key(key.as_bytes());
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{lines}\r\n"
        );
        Answer {
            bytes: head.into(),
            then,
        }
    }
}

/// An answer of plain text.
pub(super) fn answer(status: u16, body: &str) -> Answer {
    answer_with(status, "Content-Type: text/plain\r\n", body)
}

/// An answer with these lines of head.
pub(super) fn answer_with(status: u16, lines: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::of(format!(
        "HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\n{lines}\r\n{body}"
    ))
}

impl Answer {
    /// These bytes and an end.
    pub(super) fn of(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            then: Then::End,
        }
    }

    /// Sends more right behind it.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

// === impl Then ===

impl Then {
    async fn play(self, stream: Box<dyn Stream>) {
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

async fn close(socket: &mut WebSocketStream<Box<dyn Stream>>, code: u16) {
    let frame = CloseFrame {
        code: code.into(),
        reason: "by the test".into(),
    };
    let _ = socket.send(Message::Close(Some(frame))).await;
    // Read to the end: a socket that is closed with bytes unread is reset, close frame and all.
    while let Some(Ok(_)) = socket.next().await {}
}
