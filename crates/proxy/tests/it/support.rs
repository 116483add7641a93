//! A proxy with raw sockets on both sides, which send and receive exact bytes.

use std::{
    io,
    net::SocketAddr,
    sync::{LazyLock, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use gabion_proxy::{
    Drained, Protocols, Proxy, ProxyOptions, ServeOptions, Tunnels, Upstream, listen, serve,
};
use http::Request;
use http_body_util::combinators::BoxBody;
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tower_service::Service;

/// A test that waits longer than this has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The shared log of all tests. It is set up before the first log line: tracing may skip a
/// subscriber that is installed later.
static LOG: LazyLock<Mutex<Vec<u8>>> = LazyLock::new(|| {
    tracing_subscriber::fmt()
        .with_writer(|| Log)
        .with_ansi(false)
        .init();
    Mutex::default()
});

struct Log;

/// One end of a connection, with the bytes read ahead.
pub(crate) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// The upstream: each test writes its responses.
pub(crate) struct Backend(TcpListener);

/// Options of a test's proxy.
pub(crate) struct Setup {
    pub(crate) proxy: ProxyOptions,
    pub(crate) serve: ServeOptions,
    /// Replaces the layers between the accept loop and the proxy.
    pub(crate) tweak: fn(&mut Request<Incoming>),
}

/// A running proxy.
pub(crate) struct Front {
    pub(crate) addr: SocketAddr,
    pub(crate) tunnels: Tunnels,
    stop: oneshot::Sender<Duration>,
    loop_: JoinHandle<Drained>,
}

#[derive(Clone)]
struct TweakedProxy(Proxy, fn(&mut Request<Incoming>));

/// Returns the log lines that contain `subject`.
pub(crate) fn logged(subject: &str) -> String {
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    log.split_inclusive('\n')
        .filter(|line| line.contains(subject))
        .collect()
}

// === impl Log ===

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// === impl Wire ===

impl Wire {
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self::new(TcpStream::connect(addr).await.unwrap())
    }

    /// Connects from this address of the loopback network.
    pub(crate) async fn connect_from(from: &str, addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind(SocketAddr::new(from.parse().unwrap(), 0))
            .unwrap();
        Self::new(socket.connect(addr).await.unwrap())
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        assert!(self.unread.is_empty(), "{:?}", self.unread);
        self.stream
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Reads `N` bytes.
    #[track_caller]
    pub(crate) fn bytes<const N: usize>(&mut self) -> impl Future<Output = [u8; N]> {
        let caller = std::panic::Location::caller();
        async move {
            while self.unread.len() < N {
                let read = timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await;
                let read = read.unwrap_or_else(|_| panic!("{caller}: after {:?}", self.unread));
                assert_ne!(
                    read.unwrap_or(0),
                    0,
                    "{caller}: ended after {:?}",
                    self.unread
                );
            }
            let bytes: Vec<u8> = self.unread.drain(..N).collect();
            bytes.try_into().unwrap()
        }
    }

    /// Fails if bytes or the end arrive within `time`.
    #[track_caller]
    pub(crate) fn quiet(&mut self, time: Duration) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let read = timeout(time, self.stream.read_buf(&mut self.unread)).await;
            assert!(read.is_err(), "{caller}: {read:?} {:?}", self.unread);
            assert!(self.unread.is_empty(), "{caller}: {:?}", self.unread);
        }
    }

    /// Reads up to and including `mark`.
    #[track_caller]
    pub(crate) fn until(&mut self, mark: &str) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            loop {
                let text = String::from_utf8_lossy(&self.unread).into_owned();
                if let Some(at) = text.find(mark) {
                    self.unread.drain(..at + mark.len());
                    return text[..at + mark.len()].to_owned();
                }
                let read = timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await;
                let read = read.unwrap_or_else(|_| panic!("{caller}: no {mark:?} after {text:?}"));
                assert_ne!(
                    read.unwrap_or(0),
                    0,
                    "{caller}: ended before {mark:?} after {text:?}"
                );
            }
        }
    }

    /// Reads up to `mark` at the end of the input without keeping it; returns the number of bytes.
    pub(crate) async fn drop_until(&mut self, mark: &str) -> usize {
        let mut seen = self.unread.len();
        while !self.unread.ends_with(mark.as_bytes()) {
            let kept = self.unread.len().saturating_sub(mark.len());
            self.unread.drain(..kept);
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await;
            seen += read.expect("no more bytes").unwrap();
        }
        self.unread.clear();
        seen
    }

    /// Reads one head.
    #[track_caller]
    pub(crate) fn head(&mut self) -> impl Future<Output = String> {
        self.until("\r\n\r\n")
    }

    /// Reads to the end, whether orderly or reset.
    pub(crate) async fn end(&mut self) -> String {
        let rest = async { while self.stream.read_buf(&mut self.unread).await.unwrap_or(0) > 0 {} };
        timeout(PATIENCE, rest)
            .await
            .expect("the connection stays open");
        String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned()
    }

    /// Ends this side only.
    pub(crate) async fn half_close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }
}

// === impl Backend ===

impl Backend {
    pub(crate) async fn bind() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    #[track_caller]
    pub(crate) fn accept(&self) -> impl Future<Output = Wire> {
        let caller = std::panic::Location::caller();
        async move {
            let accepted = timeout(PATIENCE, self.0.accept()).await;
            let (stream, _) = accepted
                .unwrap_or_else(|_| panic!("{caller}: no connection"))
                .unwrap();
            Wire::new(stream)
        }
    }

    /// Accepts a connection, reads one head, and answers it with `answer`.
    pub(crate) async fn answer(&self, answer: &str) -> (Wire, String) {
        let mut wire = self.accept().await;
        let head = wire.head().await;
        wire.send(answer).await;
        (wire, head)
    }
}

// === impl Setup ===

impl Default for Setup {
    fn default() -> Self {
        Self {
            proxy: ProxyOptions::default(),
            serve: ServeOptions::default(),
            tweak: |_| {},
        }
    }
}

impl Setup {
    pub(crate) fn with_http2() -> Self {
        let serve = ServeOptions::default().with_protocols(Protocols::Http1AndPriorKnowledge);
        Self {
            serve,
            ..Self::default()
        }
    }

    pub(crate) fn before(self, url: &str) -> Front {
        LazyLock::force(&LOG);
        let upstream: Upstream = url.parse().unwrap();
        let tunnels = Tunnels::default();
        let proxy = Proxy::new(upstream, &self.proxy, tunnels.clone());
        let listener =
            TcpListener::from_std(listen("127.0.0.1:0".parse().unwrap()).unwrap()).unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let counted = tunnels.clone();
        let loop_ = tokio::spawn(async move {
            let stopped = async { stopped.await.unwrap_or_default() };
            let service = TweakedProxy(proxy, self.tweak);
            serve(listener, service, counted, &self.serve, stopped).await
        });
        Front {
            addr,
            tunnels,
            stop,
            loop_,
        }
    }
}

// === impl Front ===

impl Front {
    pub(crate) fn before(backend: &Backend) -> Self {
        Setup::default().before(&backend.url())
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire::connect(self.addr).await
    }

    /// Connects with HTTP/2 prior knowledge.
    pub(crate) async fn connect_http2(&self) -> http2::SendRequest<BoxBody<Bytes, io::Error>> {
        Self::speak_http2(self.connect().await).await
    }

    /// Performs the HTTP/2 client setup on a fresh connection.
    pub(crate) async fn speak_http2(wire: Wire) -> http2::SendRequest<BoxBody<Bytes, io::Error>> {
        let io = TokioIo::new(wire.into_stream());
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// Starts the drain; the handle returns the closed connections.
    pub(crate) fn stop(self, grace: Duration) -> JoinHandle<Drained> {
        self.stop.send(grace).unwrap();
        self.loop_
    }
}

// === impl TweakedProxy ===

impl Service<Request<Incoming>> for TweakedProxy {
    type Response = <Proxy as Service<Request<Incoming>>>::Response;
    type Error = <Proxy as Service<Request<Incoming>>>::Error;
    type Future = <Proxy as Service<Request<Incoming>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        (self.1)(&mut request);
        self.0.call(request)
    }
}
