//! Honest clients that are slow or silent, which no timeout may cut. The timeouts are a second instead of a
//! minute.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request},
    routing::{get, post},
};
use futures_util::{StreamExt as _, stream};
use gabion_testkit::RouterServer;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    join,
    net::{TcpSocket, TcpStream},
    sync::mpsc,
    time::{Instant, interval, sleep},
};

use crate::support::{Guard, runs_long_tests};

const TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUTS: [&str; 6] = [
    "--timeout",
    "1",
    "--send-timeout",
    "1",
    "--receive-timeout",
    "1",
];

/// Longer than every timeout, and a silence that is longer than the default ones: at most 75 s.
const SILENCE: Duration = Duration::from_secs(3);
const LONG_SILENCE: Duration = Duration::from_mins(5);

/// Bytes per second: as many in a timeout as a phone with 10 KB/s takes in a minute.
const RATE: usize = 600_000;

/// The size of a download: more than all buffers on the path hold.
const LARGE: usize = 12 << 20;

/// The largest packet of a phone, apart from headers, and its receive buffer.
const PACKET: u32 = 1400;
const BUFFER: usize = 32 * 1024;
const LARGE_BUFFER: usize = 256 * 1024;

/// Serves `/bytes/COUNT`, `/upload` (answers with the length), `/echo` (sends the body back while it arrives),
/// and `/events/MILLIS`, an endless stream with an event per interval.
async fn server() -> RouterServer {
    let bytes = |Path(count): Path<usize>| async move { vec![b'x'; count] };
    let upload = |body: Bytes| async move { body.len().to_string() };
    let echo = |request: Request| async { request.into_body() };
    let events = |Path(millis): Path<u64>| async move {
        let events = stream::unfold((), move |()| async move {
            sleep(Duration::from_millis(millis)).await;
            Some((Ok::<_, Infallible>("data: event\n\n"), ()))
        });
        let first = stream::iter([Ok("data: first\n\n")]);
        Body::from_stream(first.chain(events))
    };
    let router = Router::new()
        .route("/bytes/{count}", get(bytes))
        .route("/upload", post(upload))
        .route("/echo", post(echo))
        .route("/events/{millis}", get(events));
    RouterServer::start(router).await
}

/// Starts a guard with HTTP/2 and these options.
async fn guard(server: &RouterServer, options: &[&str]) -> Guard {
    let url = format!("http://{}", server.addr());
    Guard::start(&[&["--h2", "--upstream", &url], options].concat()).await
}

/// Connects like a phone. On loopback, packets are larger, so that the kernel would take megabytes for it at once.
async fn phone(addr: SocketAddr, buffer: usize) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_tcp_mss(PACKET).unwrap();
    socket.set_recv_buffer_size(buffer).unwrap();
    socket.set_nonblocking(true).unwrap();
    TcpSocket::from_std_stream(socket.into())
        .connect(addr)
        .await
        .unwrap()
}

/// Opens an HTTP/2 connection whose client sends pings while it waits.
async fn http2(guard: &Guard) -> SendRequest<Body> {
    let stream = TcpStream::connect(guard.addr()).await.unwrap();
    let handshake = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(TIMEOUT / 4)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Sends a request and returns the body of its response, whose status must be 200.
async fn send(client: &mut SendRequest<Body>, method: &str, path: &str, body: Body) -> Body {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://localhost{path}"));
    let request = request
        .header("content-type", "application/grpc")
        .body(body);
    let response = client.send_request(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    Body::new(response.into_body())
}

/// Sends a GET and reads the head of the response, whose status must be 200.
async fn request(stream: &mut TcpStream, path: &str) {
    let get = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(get.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(
        head.starts_with(b"HTTP/1.1 200 "),
        "{}",
        head.escape_ascii()
    );
}

/// The time in which so many bytes arrive.
fn time_of(bytes: usize) -> Duration {
    Duration::from_nanos(1_000_000_000 / RATE as u64 * bytes as u64)
}

/// Reads bytes at the rate, for four timeouts, and the rest at once.
async fn read_slowly(stream: &mut TcpStream, length: usize) {
    let mut piece = vec![0; RATE / 20];
    let mut ticks = interval(time_of(piece.len()));
    let (mut read, end) = (0, Instant::now() + 4 * TIMEOUT);
    while Instant::now() < end {
        ticks.tick().await;
        read += stream.read_exact(&mut piece).await.unwrap();
    }
    assert!(read < length, "the download ended too early to be slow");
    let mut rest = vec![0; length - read];
    stream
        .read_exact(&mut rest)
        .await
        .expect("the rest of the download");
}

#[tokio::test]
async fn slow_download_is_not_cut() {
    let server = server().await;
    let guard = guard(&server, &TIMEOUTS).await;
    let mut stream = phone(guard.addr(), BUFFER).await;
    request(&mut stream, &format!("/bytes/{LARGE}")).await;
    read_slowly(&mut stream, LARGE).await;
}

/// The kernel holds megabytes for a client that was fast. They drain for longer than the timeout, before it takes
/// more.
#[tokio::test]
async fn download_that_becomes_slow_is_not_cut() {
    let server = server().await;
    let guard = guard(&server, &TIMEOUTS).await;
    let mut stream = phone(guard.addr(), LARGE_BUFFER).await;
    request(&mut stream, &format!("/bytes/{}", 2 * LARGE)).await;
    stream.read_exact(&mut vec![0; LARGE]).await.unwrap();
    read_slowly(&mut stream, LARGE).await;
}

#[tokio::test]
async fn slow_http2_download_is_not_cut() {
    let server = server().await;
    let guard = guard(&server, &TIMEOUTS).await;
    let mut client = http2(&guard).await;
    let body = send(
        &mut client,
        "GET",
        &format!("/bytes/{LARGE}"),
        Body::empty(),
    )
    .await;
    let (mut pieces, mut read) = (body.into_data_stream(), 0);
    let start = Instant::now();
    while start.elapsed() < 4 * TIMEOUT {
        let piece = pieces.next().await.unwrap().unwrap();
        read += piece.len();
        // The client's window holds a few pieces, so that they arrive at the rate at which they are read.
        sleep(time_of(piece.len())).await;
    }
    assert!(read < LARGE, "the download ended too early to be slow");
    while let Some(piece) = pieces.next().await {
        read += piece.unwrap().len();
    }
    assert_eq!(read, LARGE);
}

#[tokio::test]
async fn slow_upload_is_not_cut() {
    // The minimum rate does not depend on the timeout: 500 bytes per second.
    const UPLOAD: usize = 40_000;
    let server = server().await;
    let guard = guard(&server, &TIMEOUTS).await;
    let mut client = guard.connect().await;
    let head =
        format!("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {UPLOAD}\r\n\r\n");
    client.send(head).await;
    for _ in 0..UPLOAD / 1000 {
        sleep(Duration::from_millis(100)).await;
        client.send([b'x'; 1000]).await;
    }
    let response = client.response("POST").await.expect("a response");
    assert_eq!(
        (response.status.as_u16(), response.text()),
        (200, UPLOAD.to_string())
    );
}

#[tokio::test]
async fn download_may_pause_for_less_than_the_send_timeout() {
    const PAUSE: Duration = Duration::from_millis(1800);
    let server = server().await;
    let guard = guard(&server, &["--send-timeout", "3"]).await;
    let mut stream = phone(guard.addr(), BUFFER).await;
    request(&mut stream, &format!("/bytes/{LARGE}")).await;
    // All pauses together are longer than the timeout.
    let mut half = vec![0; LARGE / 2];
    for _ in 0..2 {
        sleep(PAUSE).await;
        stream
            .read_exact(&mut half)
            .await
            .expect("half of the download");
    }
}

#[tokio::test]
async fn http2_stream_may_pause_beside_an_active_one_for_longer_than_the_send_timeout() {
    let server = server().await;
    let guard = guard(&server, &TIMEOUTS).await;
    let mut client = http2(&guard).await;
    let paused = send(
        &mut client,
        "GET",
        &format!("/bytes/{LARGE}"),
        Body::empty(),
    )
    .await;
    let active = send(&mut client, "GET", "/events/100", Body::empty()).await;
    let (mut events, end) = (active.into_data_stream(), Instant::now() + SILENCE);
    while Instant::now() < end {
        events.next().await.expect("an event").unwrap();
    }
    let whole = axum::body::to_bytes(paused, LARGE)
        .await
        .expect("the download");
    assert_eq!(whole.len(), LARGE);
}

/// Makes each silent exchange at the same time: a stream of events, over HTTP/1.1 and HTTP/2, and a gRPC call
/// with messages in both directions.
async fn stay_silent(guard: &Guard, silence: Duration) {
    let path = format!("/events/{}", silence.as_millis());
    let events = async {
        let mut stream = TcpStream::connect(guard.addr()).await.unwrap();
        request(&mut stream, &path).await;
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"data: event\n\n\r\n") {
            assert_ne!(
                stream.read_buf(&mut bytes).await.unwrap(),
                0,
                "the stream was cut"
            );
        }
    };
    let http2_events = async {
        let mut client = http2(guard).await;
        let body = send(&mut client, "GET", &path, Body::empty()).await;
        let mut events = body.into_data_stream();
        assert_eq!(events.next().await.unwrap().unwrap(), "data: first\n\n");
        assert_eq!(
            events.next().await.expect("an event").unwrap(),
            "data: event\n\n"
        );
    };
    let grpc = async {
        let mut client = http2(guard).await;
        let (messages, receiver) = mpsc::unbounded_channel();
        let outgoing = stream::unfold(receiver, |mut receiver| async {
            Some((Ok::<_, Infallible>(receiver.recv().await?), receiver))
        });
        messages.send("before").unwrap();
        let echo = send(&mut client, "POST", "/echo", Body::from_stream(outgoing)).await;
        let mut echo = echo.into_data_stream();
        assert_eq!(echo.next().await.unwrap().unwrap(), "before");
        sleep(silence).await;
        messages.send("after").unwrap();
        assert_eq!(echo.next().await.expect("an echo").unwrap(), "after");
    };
    join!(events, http2_events, grpc);
}

#[tokio::test]
async fn silent_streams_are_not_cut() {
    let server = server().await;
    let guard = guard(&server, &TIMEOUTS).await;
    stay_silent(&guard, SILENCE).await;
}

/// Three minutes with the default timeouts; only if `GABION_LONG_TESTS` is set.
#[tokio::test]
async fn default_timeouts_do_not_cut_silent_streams() {
    if runs_long_tests() {
        let server = server().await;
        let guard = guard(&server, &[]).await;
        stay_silent(&guard, LONG_SILENCE).await;
    }
}
