//! A ban ends the event streams of its client within a second, and no others. A policy that denies
//! their path and a drain also end them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::any,
};
use bytes::Bytes;
use futures_util::{future::pending, stream};
use gabion::{
    Guard,
    ban::{Offense, OffenseRecorder as _},
    event::Event,
    inspect::{Clock as _, RuleId, SystemClock},
};
use gabion_testkit::{Recorder, RouterServer, client_at};
use http::header::CONTENT_TYPE;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, interval, timeout},
};

use crate::support::{echo::TRUSTING, guarded_proxy::builder};

const BANNED: &str = "203.0.113.9";
const OTHER: &str = "198.51.100.7";

/// A guarded service that streams, and the number of its open streams.
struct StreamServer {
    guard: Guard,
    open: Arc<AtomicUsize>,
    events: Arc<Recorder>,
    server: RouterServer,
}

/// Counts an open stream until it is dropped.
struct OpenStream(Arc<AtomicUsize>);

impl StreamServer {
    async fn with(policy: &str) -> Self {
        let events = Arc::new(Recorder::default());
        let guard = builder(events.clone());
        let guard = guard.with_policy(policy, "policy").unwrap();
        let open = Arc::new(AtomicUsize::new(0));
        let app = Router::new()
            .route("/events", any(endless))
            .route("/news", any(endless))
            .route("/silent", any(silent))
            .route("/bytes", any(bytes))
            .with_state(open.clone())
            .layer(guard.layer());
        let server = RouterServer::start(app).await;
        Self {
            guard,
            open,
            events,
            server,
        }
    }

    /// Sends `request` as `client`, and returns the connection after the first bytes of the stream.
    async fn open_stream(&self, request: &str, client: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.addr()).await.unwrap();
        let head = format!(
            "{request} HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: {client}\r\n\
             connection: close\r\ncontent-length: 0\r\naccept: text/event-stream\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        while !contains(&read, b"tick") {
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0);
        }
        assert!(
            read.starts_with(b"HTTP/1.1 200 "),
            "{}",
            read.escape_ascii()
        );
        stream
    }

    fn ban(&self, client: &str) {
        let offense = Offense::certain(RuleId::builtin("by-hand"), Duration::from_mins(1));
        let bans = self.guard.policy_handle().state().bans();
        bans.record_offense(&client_at(client), &offense, SystemClock::new().now());
    }

    fn session_events(&self) -> Vec<String> {
        let words = |event: &Event| match event {
            Event::Session(event) => Some(event.to_string()),
            _ => None,
        };
        self.events.take().iter().filter_map(words).collect()
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

type Open = State<Arc<AtomicUsize>>;

async fn endless(open: Open) -> Response {
    ticks(open, "text/event-stream", usize::MAX)
}

async fn bytes(open: Open) -> Response {
    ticks(open, "application/octet-stream", usize::MAX)
}

/// Sends one event, and then nothing.
async fn silent(open: Open) -> Response {
    ticks(open, "text/event-stream", 1)
}

fn ticks(State(open): Open, kind: &'static str, count: usize) -> Response {
    open.fetch_add(1, Ordering::SeqCst);
    let clock = (interval(Duration::from_millis(20)), OpenStream(open), count);
    let ticks = stream::unfold(clock, |(mut clock, counted, left)| async move {
        if left == 0 {
            pending::<()>().await;
        }
        clock.tick().await;
        let tick = Ok::<_, std::io::Error>(Bytes::from_static(b"data: tick\n\n"));
        Some((tick, (clock, counted, left - 1)))
    });
    ([(CONTENT_TYPE, kind)], Body::from_stream(ticks)).into_response()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The bytes up to the end of the stream, and the time until then.
async fn rest(stream: &mut TcpStream) -> (Vec<u8>, Duration) {
    let (began, mut read) = (Instant::now(), Vec::new());
    let whole = timeout(Duration::from_secs(5), stream.read_to_end(&mut read));
    whole.await.expect("it ends").unwrap();
    (read, began.elapsed())
}

/// Returns `true` if more bytes arrive within a second.
async fn flows(stream: &mut TcpStream) -> bool {
    let mut read = [0; 4096];
    // Discards bytes that were sent earlier.
    let _ = stream.try_read(&mut read);
    let more = timeout(Duration::from_secs(1), stream.read(&mut read)).await;
    matches!(more, Ok(Ok(1..)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_a_banned_client_end_and_others_continue() {
    let server = StreamServer::with(TRUSTING).await;
    let mut theirs = [
        server.open_stream("GET /events", BANNED).await,
        server.open_stream("POST /news", BANNED).await,
        server.open_stream("GET /silent", BANNED).await,
    ];
    let mut download = server.open_stream("GET /bytes", BANNED).await;
    let mut other = server.open_stream("GET /events", OTHER).await;
    assert_eq!(server.guard.sessions().len(), 4);

    server.ban(BANNED);
    for stream in &mut theirs {
        let (read, took) = rest(stream).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert!(read.ends_with(b"0\r\n\r\n"), "it ends as a whole answer");
    }
    assert!(flows(&mut other).await);
    assert!(flows(&mut download).await, "an answer with an end in sight");
    assert_eq!(server.open.load(Ordering::SeqCst), 2, "the service knows");
    assert_eq!(server.guard.sessions().len(), 1);
    let mut texts = server.session_events();
    texts.sort();
    let expected = [
        "203.0.113.9 session 0 on \"/events\" ended: rule ban/timed",
        "203.0.113.9 session 1 on \"/news\" ended: rule ban/timed",
        "203.0.113.9 session 2 on \"/silent\" ended: rule ban/timed",
    ];
    let pairs = texts.iter().zip(expected);
    assert_eq!(texts.len(), expected.len());
    assert!(
        pairs
            .into_iter()
            .all(|(text, expected)| text.starts_with(expected)),
        "{texts:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policy_that_denies_the_path_ends_the_stream() {
    let server = StreamServer::with(TRUSTING).await;
    let mut refused = server.open_stream("GET /news", OTHER).await;
    let mut allowed = server.open_stream("GET /events", OTHER).await;
    let stricter = format!("{TRUSTING}[[deny]]\nid = 'news'\nprefix = '/news'\n");
    server.guard.policy_handle().replace(&stricter).unwrap();
    assert!(rest(&mut refused).await.1 < Duration::from_secs(1));
    assert!(flows(&mut allowed).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drain_ends_streams_within_its_time() {
    let server = StreamServer::with(TRUSTING).await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(server.open_stream("GET /events", OTHER).await);
    }
    server.guard.drain(Duration::from_secs(1));
    for stream in &mut streams {
        rest(stream).await;
    }
    assert!(server.guard.sessions().is_empty());
}
