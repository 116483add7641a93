//! A guard is replaced under load: no request fails, no connection is refused, and WebSockets are told 1012.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixDatagram,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use futures_util::StreamExt as _;
use gabion_testkit::{Nginx, RawServer, TempFolder, eventually, program};
use tokio::{
    net::TcpStream as TokioStream,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{client_async, tungstenite::Message};

use crate::support::Guard;

const RESTARTS: usize = 10;
const SOCKETS: usize = 20;

/// The pauses between the requests of each HTTP client. An idle connection is closed while its client is
/// about to send, unless the guard announces it.
const PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::ZERO,
    Duration::from_millis(20),
    Duration::from_millis(200),
    Duration::from_millis(900),
];

#[derive(Default)]
struct Load {
    stops: AtomicBool,
    answered: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_restarts_under_load_fail_no_request_and_tell_sockets_1012() {
    let folder = TempFolder::new("restarts");
    let handover = folder.path().join("guard.sock");
    let args = ["--handover", handover.to_str().unwrap(), "--grace", "6"];
    let mut guard = Guard::start(&args).await;
    let addr = guard.addr();
    let load = Arc::new(Load::default());
    let clients = PAUSES.map(|pause| [true, false].map(|keeps| load.client(addr, pause, keeps)));
    let sockets: Vec<_> = (0..SOCKETS)
        .map(|_| tokio::spawn(Arc::clone(&load).socket(addr)))
        .collect();
    sleep(Duration::from_millis(500)).await;
    for _ in 0..RESTARTS {
        let successor = Guard::start_on(&addr.to_string(), &args).await;
        guard.logged(["a new guard accepts connections"]).await;
        assert!(guard.wait_for_exit().await.success());
        guard.logged(["stopped; all connections finished"]).await;
        guard = successor;
    }
    load.stops.store(true, Ordering::Relaxed);
    for client in clients.into_iter().flatten() {
        client.join().unwrap().expect("no request fails");
    }
    drop(guard);
    let mut gaps = Vec::new();
    for socket in sockets {
        let ends = timeout(Duration::from_secs(5), socket)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(ends.len(), RESTARTS);
        gaps.extend(ends);
    }
    gaps.sort_unstable();
    let (median, p99) = (gaps[gaps.len() / 2], gaps[gaps.len() * 99 / 100]);
    let answered = load.answered.load(Ordering::Relaxed);
    println!(
        "{RESTARTS} restarts: {answered} requests answered, 0 failed; {} WebSockets closed with 1012, and open \
         again after {median:?} (median), {p99:?} (p99)",
        gaps.len()
    );
    assert!(answered > 1000, "{answered}");
    assert!(p99 < Duration::from_secs(2), "{p99:?}");
}

/// The same load and as many reloads, for comparison: nginx closes idle connections at once.
#[tokio::test(flavor = "multi_thread")]
async fn nginx_reloaded_under_the_same_load_refuses_no_connection() {
    let Some(nginx) = program("nginx") else {
        return;
    };
    let conf = "daemon off; pid nginx.pid; error_log stderr notice; events {}\n\
                http { access_log off; server { listen {listen}; location / { return 200 ok; } } }\n";
    let nginx = Nginx::with_conf(&nginx, "restarts", conf).await;
    let load = Arc::new(Load::default());
    let clients =
        PAUSES.map(|pause| [true, false].map(|keeps| load.client(nginx.addr(), pause, keeps)));
    for _ in 0..RESTARTS {
        sleep(Duration::from_millis(500)).await;
        nginx.signal("HUP");
    }
    sleep(Duration::from_millis(500)).await;
    load.stops.store(true, Ordering::Relaxed);
    let mut cut = 0;
    for [keeps, opens] in clients {
        cut += usize::from(keeps.join().unwrap().is_err());
        opens.join().unwrap().expect("no connection is refused");
    }
    let answered = load.answered.load(Ordering::Relaxed);
    println!(
        "{RESTARTS} reloads of nginx: {answered} requests answered; {cut} of {} clients that keep their connection \
         lost a request",
        PAUSES.len()
    );
    assert!(answered > 1000, "{answered}");
}

#[tokio::test]
async fn guard_goes_on_if_its_successor_does_not_start() {
    let folder = TempFolder::new("restart-failure");
    let handover = folder.path().join("guard.sock");
    let handover = handover.to_str().unwrap();
    let guard = Guard::start(&["--handover", handover]).await;
    let addr = guard.addr().to_string();
    let policy = folder.path().join("no-policy.toml");
    let policy = policy.to_str().unwrap();
    let mut failed = Guard::spawn(&addr, &["--handover", handover, "--policy", policy]);
    assert!(!failed.wait_for_exit().await.success());
    assert_eq!(guard.status("/").await, 200);
    let mut old = guard;
    let successor = Guard::start_on(&addr, &["--handover", handover]).await;
    assert!(old.wait_for_exit().await.success());
    assert_eq!(successor.status("/").await, 200);
}

#[tokio::test]
async fn readiness_ends_before_the_listener() {
    let slow = RawServer::bind().await;
    let url = slow.url();
    let args = [
        "--upstream",
        &*url,
        "--ready-path",
        "/healthz",
        "--drain-delay",
        "2",
    ];
    let mut guard = Guard::start(&args).await;
    assert_eq!(guard.status("/healthz").await, 200);
    guard.signal("TERM");
    guard
        .logged(["received SIGTERM: connections are accepted for another 2 s"])
        .await;
    assert_eq!(guard.status("/healthz").await, 503);
    let mut wire = guard.connect().await;
    wire.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    slow.answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .await;
    assert_eq!(wire.response("GET").await.unwrap().status.as_u16(), 200);
    guard.logged(["no new connections"]).await;
    let refused = eventually(|| TcpStream::connect(guard.addr()).err());
    assert!(refused.await.is_some(), "it still accepts connections");
    assert!(guard.wait_for_exit().await.success());
}

#[tokio::test]
async fn socket_of_systemd_keeps_connections_over_a_restart() {
    let folder = TempFolder::new("activation");
    let notify = folder.path().join("notify.sock");
    let notifications = UnixDatagram::bind(&notify).unwrap();
    let notified = || {
        let mut message = [0; 64];
        let length = notifications.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    for _ in 0..2 {
        // It waits in the queue: no guard runs.
        let mut early = BufReader::new(TcpStream::connect(addr).unwrap());
        let early = thread::spawn(move || get(&mut early));
        let mut guard = Guard::start_activated(&socket, &notify, &["--grace", "1"]).await;
        guard.logged(["with the socket of systemd"]).await;
        assert_eq!(notified(), "READY=1\n");
        assert!(early.join().unwrap().is_ok());
        guard.signal("TERM");
        assert_eq!(notified(), "STOPPING=1\n");
        assert!(guard.wait_for_exit().await.success());
    }
}

#[tokio::test]
async fn socket_of_systemd_on_another_address_is_an_error() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let passed = socket.local_addr().unwrap();
    let mut guard = Guard::spawn_activated(&socket, Path::new("/dev/null"), "127.0.0.1:0", &[]);
    assert!(!guard.wait_for_exit().await.success());
    let help = format!("systemd passed a socket on {passed}, but no listener has this address");
    guard.logged([&*help]).await;
}

// === impl Load ===

impl Load {
    /// Sends requests one after the other, on one connection if it `keeps` it; fails with the first error.
    fn client(
        self: &Arc<Self>,
        addr: SocketAddr,
        pause: Duration,
        keeps: bool,
    ) -> JoinHandle<io::Result<()>> {
        let load = Arc::clone(self);
        thread::spawn(move || {
            let mut kept = None;
            while !load.stops.load(Ordering::Relaxed) {
                let mut connection = match kept.take() {
                    Some(connection) => connection,
                    None => BufReader::new(TcpStream::connect(addr)?),
                };
                if get(&mut connection)? && keeps {
                    kept = Some(connection);
                }
                load.answered.fetch_add(1, Ordering::Relaxed);
                thread::park_timeout(pause);
            }
            Ok(())
        })
    }

    /// Opens a WebSocket again each time that it is closed with 1012, and returns the times between.
    async fn socket(self: Arc<Self>, addr: SocketAddr) -> Vec<Duration> {
        let mut gaps = Vec::new();
        let mut closed: Option<Instant> = None;
        while !self.stops.load(Ordering::Relaxed) {
            let stream = TokioStream::connect(addr)
                .await
                .expect("no connection is refused");
            let (mut socket, _) = match client_async(format!("ws://{addr}/ws"), stream).await {
                Ok(opened) => opened,
                // The connection was accepted just before the drain, which opens no WebSocket.
                Err(error) => {
                    assert!(error.to_string().contains("503"), "{error}");
                    continue;
                }
            };
            gaps.extend(closed.map(|closed| closed.elapsed()));
            let close = loop {
                match socket.next().await {
                    Some(Ok(Message::Close(frame))) => break frame,
                    Some(Ok(_)) => {}
                    end => {
                        assert!(self.stops.load(Ordering::Relaxed), "{end:?}");
                        return gaps;
                    }
                }
            };
            assert_eq!(u16::from(close.expect("a code").code), 1012);
            closed = Some(Instant::now());
        }
        gaps
    }
}

/// Sends a request and reads the response. Returns `true` if the connection stays open.
pub(crate) fn get(connection: &mut BufReader<TcpStream>) -> io::Result<bool> {
    connection
        .get_mut()
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let (mut length, mut stays_open, mut is_first) = (0, true, true);
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if is_first && line != "http/1.1 200 ok" {
            return Err(io::Error::other(line));
        }
        is_first = false;
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().map_err(io::Error::other)?;
        }
        stays_open &= line != "connection: close";
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok(stays_open)
}
