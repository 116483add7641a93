//! A ban ends the event streams of its client within a second, and nobody else's; so does a policy
//! that refuses their path, and a drain.

use std::{
    net::SocketAddr,
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
    Event, Guard,
    ban::{Offense, OffenseRecorder as _},
    inspect::{Clock as _, RuleId, SystemClock},
};
use gabion_testkit::{Recorder, client_at};
use http::header::CONTENT_TYPE;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, interval, timeout},
};

use crate::support::{house::TRUSTING, sockets::builder};

const BANNED: &str = "203.0.113.9";
const OTHER: &str = "198.51.100.7";

/// A service that streams, its guard, and how many streams it has under way.
struct Station {
    guard: Guard,
    addr: SocketAddr,
    open: Arc<AtomicUsize>,
    events: Arc<Recorder>,
    serving: JoinHandle<()>,
}

/// One of the streams, counted.
struct Counted(Arc<AtomicUsize>);

impl Station {
    async fn with(policy: &str) -> Self {
        let events = Arc::new(Recorder::default());
        let guard = builder(events.clone());
        let guard = guard.with_policy(policy, "policy").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let open = Arc::new(AtomicUsize::new(0));
        let app = Router::new()
            .route("/events", any(endless))
            .route("/news", any(endless))
            .route("/silent", any(silent))
            .route("/bytes", any(bytes))
            .with_state(open.clone())
            .layer(guard.layer())
            .into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        Self {
            guard,
            addr,
            open,
            events,
            serving,
        }
    }

    /// The answer to `client`'s request, once it has begun to flow.
    async fn listen(&self, request: &str, client: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
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

    fn told(&self) -> Vec<String> {
        let words = |event: &Event| match event {
            Event::Session(event) => Some(event.to_string()),
            _ => None,
        };
        self.events.take().iter().filter_map(words).collect()
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Drop for Counted {
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

/// One tick, and then nothing for ever.
async fn silent(open: Open) -> Response {
    ticks(open, "text/event-stream", 1)
}

fn ticks(State(open): Open, kind: &'static str, count: usize) -> Response {
    open.fetch_add(1, Ordering::SeqCst);
    let clock = (interval(Duration::from_millis(20)), Counted(open), count);
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

/// What came until the end of the stream, and how long that took.
async fn rest(stream: &mut TcpStream) -> (Vec<u8>, Duration) {
    let (began, mut read) = (Instant::now(), Vec::new());
    let whole = timeout(Duration::from_secs(5), stream.read_to_end(&mut read));
    whole.await.expect("it ends").unwrap();
    (read, began.elapsed())
}

/// Whether more comes.
async fn flows(stream: &mut TcpStream) -> bool {
    let mut read = [0; 4096];
    // What was on its way before is not what is asked for.
    let _ = stream.try_read(&mut read);
    let more = timeout(Duration::from_secs(1), stream.read(&mut read)).await;
    matches!(more, Ok(Ok(1..)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_the_banned_end_and_others_flow() {
    let station = Station::with(TRUSTING).await;
    let mut theirs = [
        station.listen("GET /events", BANNED).await,
        station.listen("POST /news", BANNED).await,
        station.listen("GET /silent", BANNED).await,
    ];
    let mut download = station.listen("GET /bytes", BANNED).await;
    let mut other = station.listen("GET /events", OTHER).await;
    assert_eq!(station.guard.sessions().len(), 4);

    station.ban(BANNED);
    for stream in &mut theirs {
        let (read, took) = rest(stream).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert!(read.ends_with(b"0\r\n\r\n"), "it ends as a whole answer");
    }
    assert!(flows(&mut other).await);
    assert!(flows(&mut download).await, "an answer with an end in sight");
    assert_eq!(station.open.load(Ordering::SeqCst), 2, "the service knows");
    assert_eq!(station.guard.sessions().len(), 1);
    let mut told = station.told();
    told.sort();
    let expected = [
        "203.0.113.9 session 0 on /events ended: rule ban/timed",
        "203.0.113.9 session 1 on /news ended: rule ban/timed",
        "203.0.113.9 session 2 on /silent ended: rule ban/timed",
    ];
    let pairs = told.iter().zip(expected);
    assert_eq!(told.len(), expected.len());
    assert!(
        pairs
            .into_iter()
            .all(|(told, expected)| told.starts_with(expected)),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policy_that_refuses_the_path_ends_the_stream() {
    let station = Station::with(TRUSTING).await;
    let mut refused = station.listen("GET /news", OTHER).await;
    let mut allowed = station.listen("GET /events", OTHER).await;
    let stricter = format!("{TRUSTING}[[deny]]\nid = 'news'\nprefix = '/news'\n");
    station.guard.policy_handle().replace(&stricter).unwrap();
    assert!(rest(&mut refused).await.1 < Duration::from_secs(1));
    assert!(flows(&mut allowed).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drain_ends_streams_in_its_time() {
    let station = Station::with(TRUSTING).await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(station.listen("GET /events", OTHER).await);
    }
    station.guard.drain(Duration::from_secs(1));
    for stream in &mut streams {
        rest(stream).await;
    }
    assert!(station.guard.sessions().is_empty());
}
