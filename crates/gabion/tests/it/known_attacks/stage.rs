//! The guard, and both ends of what goes through it, byte by byte.

use std::{future::pending, net::SocketAddr, sync::Arc, time::Duration};

use gabion::Event;
use gabion_proxy::Protocols;
use gabion_testkit::Recorder;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    select,
    time::timeout,
};

use crate::support::sockets::{DEFAULT, Front, builder, rule_of};

/// A handshake with the key of RFC 6455, 1.3.
pub(super) const ASK: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What answers it.
pub(super) const ACCEPT: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// An honest request, and what must never be taken for one.
pub(super) const GET: &str = "GET /honest HTTP/1.1\r\nHost: a\r\n\r\n";
pub(super) const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// An honest answer.
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A guard before a server that answers by hand.
pub(super) struct Stage {
    pub(super) front: Front,
    behind: TcpListener,
    told: Arc<Recorder>,
}

/// One end of a connection, with what was read of it.
pub(super) struct End {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// How many answers there are in `text`.
pub(super) fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

// === impl Stage ===

impl Stage {
    /// By the policy of a guard that was given none.
    pub(super) async fn set() -> Self {
        Self::with(DEFAULT).await
    }

    /// By the same, which then refuses nothing.
    pub(super) async fn observing() -> Self {
        Self::with(&DEFAULT.replace("mode = \"enforce\" ", "mode = \"observe\" ")).await
    }

    pub(super) async fn with(policy: &str) -> Self {
        Self::speaking(Protocols::Http1, policy).await
    }

    pub(super) async fn speaking(protocols: Protocols, policy: &str) -> Self {
        let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", behind.local_addr().unwrap());
        let told = Arc::new(Recorder::default());
        let guard = builder(told.clone()).with_policy(policy, "policy").unwrap();
        Self {
            front: Front::speaking(protocols, &url, guard),
            behind,
            told,
        }
    }

    /// A client that has sent `text`.
    pub(super) async fn client(&self, text: &str) -> End {
        let mut end = End::connect(self.front.addr()).await;
        end.send(text).await;
        end
    }

    /// The server's end of the next connection that the guard opens.
    #[track_caller]
    pub(super) fn accept(&self) -> impl Future<Output = End> {
        let caller = std::panic::Location::caller();
        async move {
            let accepted = timeout(PATIENCE, self.behind.accept()).await;
            let (stream, _) = accepted
                .unwrap_or_else(|_| panic!("{caller}: nothing reached the server"))
                .unwrap();
            End::new(stream)
        }
    }

    /// The same, with the head of the request read and answered.
    pub(super) async fn answer(&self, answer: &str) -> (End, String) {
        let mut end = self.accept().await;
        let head = end.head().await;
        end.send(answer).await;
        (end, head)
    }

    /// Fails where anything reached the server before what is sent now.
    pub(super) async fn is_untouched(&self) {
        let mut client = self.client(GET).await;
        let (_end, head) = self.answer(OK).await;
        assert!(head.starts_with("GET /honest "), "{head}");
        client.until("ok").await;
    }

    /// The same where the guard may use a connection again that it has to the server.
    pub(super) async fn is_untouched_but_for(&self, known: &mut End) {
        let mut client = self.client(GET).await;
        let reused = async {
            if known.is_spoken_to().await {
                let head = known.head().await;
                known.send(OK).await;
                head
            } else {
                pending().await
            }
        };
        let (_end, head) = select! {
            (end, head) = self.answer(OK) => (Some(end), head),
            head = reused => (None, head),
        };
        assert!(head.starts_with("GET /honest "), "{head}");
        client.until("ok").await;
    }

    /// The rules by which requests were refused so far.
    pub(super) fn rules(&self) -> Vec<String> {
        let told: Vec<Event> = self.told.take();
        let rules = told.iter().filter_map(rule_of);
        rules.map(ToOwned::to_owned).collect()
    }
}

// === impl End ===

impl End {
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    async fn connect(addr: SocketAddr) -> Self {
        Self::new(TcpStream::connect(addr).await.unwrap())
    }

    /// Sends `text`. Where the other side has closed, that shows in what is read.
    pub(super) async fn send(&mut self, text: &str) {
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    /// Reads up to and with `mark`.
    #[track_caller]
    pub(super) fn until(&mut self, mark: &str) -> impl Future<Output = String> {
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
                assert_ne!(read.unwrap_or(0), 0, "{caller}: no {mark:?} after {text:?}");
            }
        }
    }

    /// Reads one head.
    #[track_caller]
    pub(super) fn head(&mut self) -> impl Future<Output = String> {
        self.until("\r\n\r\n")
    }

    /// Waits until something comes, or never will.
    async fn is_spoken_to(&mut self) -> bool {
        !self.unread.is_empty() || self.stream.read_buf(&mut self.unread).await.unwrap_or(0) > 0
    }

    /// Reads to the end, orderly or not.
    #[track_caller]
    pub(super) fn end(&mut self) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let rest =
                async { while self.stream.read_buf(&mut self.unread).await.unwrap_or(0) > 0 {} };
            let ended = timeout(PATIENCE, rest).await;
            assert!(ended.is_ok(), "{caller}: the connection stays open");
            String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned()
        }
    }

    /// What comes within a moment.
    pub(super) async fn soon(&mut self) -> String {
        let moment = Duration::from_millis(150);
        let read = async { while self.stream.read_buf(&mut self.unread).await.unwrap_or(0) > 0 {} };
        let _ = timeout(moment, read).await;
        String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned()
    }
}
