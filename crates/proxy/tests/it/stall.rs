//! Clients that take no bytes of their response, or send too few of their request.

use std::time::Duration;

use gabion_testkit::{ProxyServer, RawConnection, RawServer};
use http::Request;
use http_body_util::BodyExt as _;
use tokio::{
    io::AsyncReadExt as _,
    time::{Instant, sleep, timeout},
};

use crate::{
    http2::{Outgoing, empty},
    support::{PATIENCE, Setup, connect_http2},
    websocket,
};

const SEND_TIMEOUT: Duration = Duration::from_millis(400);
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const ENDLESS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

fn front(backend: &RawServer, setup: Setup) -> ProxyServer {
    let serve = setup.serve.with_send_timeout(SEND_TIMEOUT);
    Setup { serve, ..setup }.before(&backend.url())
}

fn get_http2() -> Request<Outgoing> {
    Request::get("http://a/").body(empty()).unwrap()
}

/// Sends chunks until the connection is closed, or takes none for `patience`. Returns the time since the last
/// one was taken.
async fn send_until_closed(upstream: RawConnection, patience: Duration) -> Option<Duration> {
    use tokio::io::AsyncWriteExt as _;
    let mut stream = upstream.into_stream();
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    let mut last = Instant::now();
    loop {
        match timeout(patience, stream.write_all(chunk.as_bytes())).await {
            Ok(Ok(())) => last = Instant::now(),
            Ok(Err(_)) => return Some(last.elapsed()),
            Err(_) => return None,
        }
    }
}

#[tokio::test]
async fn client_that_takes_no_bytes_is_cut_after_the_send_timeout() {
    for setup in [Setup::default(), Setup::with_http2()] {
        let backend = RawServer::bind().await;
        let front = front(&backend, setup);
        let mut client = front.connect().await;
        client.send(GET).await;
        let (upstream, _) = backend.answer(ENDLESS).await;
        let stalled = send_until_closed(upstream, PATIENCE).await;
        let stalled = stalled.expect("the stalled client is cut");
        assert!(stalled >= SEND_TIMEOUT / 2, "{stalled:?}");
    }
}

#[tokio::test]
async fn http2_client_that_stops_all_streams_is_cut() {
    let backend = RawServer::bind().await;
    let front = front(&backend, Setup::with_http2());
    let mut client = connect_http2(&front).await;
    let get = get_http2();
    let (answer, (upstream, _)) = tokio::join!(client.send_request(get), backend.answer(ENDLESS));
    let stalled = send_until_closed(upstream, PATIENCE).await;
    assert!(stalled.is_some(), "its window is full");
    drop(answer);
}

#[tokio::test]
async fn http2_stream_that_stops_beside_another_is_not_cut() {
    let backend = RawServer::bind().await;
    let front = front(&backend, Setup::with_http2());
    let mut client = connect_http2(&front).await;
    let get = get_http2();
    let (answer, (upstream, _)) = tokio::join!(client.send_request(get), backend.answer(ENDLESS));
    let get = get_http2();
    let (other, (mut events, _)) = tokio::join!(client.send_request(get), backend.answer(ENDLESS));
    // The window of the first stream fills up; the second waits for events.
    let held = send_until_closed(upstream, 3 * SEND_TIMEOUT).await;
    assert_eq!(held, None);
    events.send("5\r\nlater\r\n0\r\n\r\n").await;
    let body = other.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "later");
    drop(answer);
}

#[tokio::test]
async fn http2_stream_that_waits_for_the_upstream_is_not_cut() {
    let backend = RawServer::bind().await;
    let front = front(&backend, Setup::with_http2());
    let mut client = connect_http2(&front).await;
    let get = get_http2();
    let (answer, (mut events, _)) = tokio::join!(client.send_request(get), backend.answer(ENDLESS));
    events.send("5\r\nfirst\r\n").await;
    sleep(3 * SEND_TIMEOUT).await;
    events.send("4\r\nlast\r\n0\r\n\r\n").await;
    let body = answer.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "firstlast");
}

#[tokio::test]
async fn slow_reader_and_idle_stream_are_not_cut() {
    let backend = RawServer::bind().await;
    let front = front(&backend, Setup::default());
    let mut slow = front.connect().await;
    slow.send(GET).await;
    let (upstream, _) = backend.answer(ENDLESS).await;
    let sending = tokio::spawn(send_until_closed(upstream, PATIENCE));
    let mut idle = front.connect().await;
    idle.send(GET).await;
    let (mut events, _) = backend.answer(ENDLESS).await;
    let mut slow = slow.into_stream();
    let mut bytes = vec![0; 1 << 20];
    let end = Instant::now() + 4 * SEND_TIMEOUT;
    while Instant::now() < end {
        sleep(SEND_TIMEOUT / 4).await;
        assert_ne!(slow.read(&mut bytes).await.unwrap(), 0);
    }
    events.send("5\r\nlater\r\n").await;
    idle.until("later").await;
    assert!(!sending.is_finished());
    sending.abort();
}

#[tokio::test]
async fn upgraded_connection_is_not_cut() {
    let backend = RawServer::bind().await;
    let front = front(&backend, Setup::default());
    let (mut client, upstream) = websocket::open(&backend, &front).await;
    let held = send_until_closed(upstream, 3 * SEND_TIMEOUT).await;
    assert_eq!(held, None, "a WebSocket has deadlines of its own");
    client.until("4000").await;
}

const RECEIVE_TIMEOUT: Duration = Duration::from_millis(400);

fn front_with_receive_timeout(backend: &RawServer) -> ProxyServer {
    let setup = Setup::default();
    let proxy = setup.proxy.with_receive_timeout(RECEIVE_TIMEOUT);
    Setup { proxy, ..setup }.before(&backend.url())
}

fn upload(length: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{length}\r\n\r\n")
}

#[tokio::test]
async fn announced_body_that_stalls_is_cut() {
    let backend = RawServer::bind().await;
    let front = front_with_receive_timeout(&backend);
    let began = Instant::now();
    let mut client = front.connect().await;
    client.send(upload("Content-Length: 9")).await;
    client.send("half").await;
    let answer = client.end().await;
    assert!(
        answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
        "{answer}"
    );
    assert!(began.elapsed() >= RECEIVE_TIMEOUT);
}

#[tokio::test]
async fn announced_body_that_stalls_after_an_early_answer_is_cut() {
    let backend = RawServer::bind().await;
    let front = front_with_receive_timeout(&backend);
    let mut client = front.connect().await;
    client.send(upload("Content-Length: 9")).await;
    client.send("half").await;
    let early = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let (_upstream, _) = backend.answer(early).await;
    client.until("ok").await;
    assert_eq!(timeout(PATIENCE, client.end()).await, Ok(String::new()));
}

#[tokio::test]
async fn body_that_trickles_is_cut_and_a_slow_one_is_not() {
    let backend = RawServer::bind().await;
    let front = front_with_receive_timeout(&backend);
    let pause = RECEIVE_TIMEOUT / 4;
    let mut trickle = front.connect().await;
    trickle.send(upload("Content-Length: 900")).await;
    let mut sent = 0;
    while timeout(pause, trickle.is_readable()).await.is_err() {
        assert!(sent < 20, "a byte now and then holds the connection");
        trickle.send("x").await;
        sent += 1;
    }
    let answer = trickle.end().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");

    // As many waits, at more than the minimum rate.
    let backend = RawServer::bind().await;
    let front = front_with_receive_timeout(&backend);
    let mut slow = front.connect().await;
    slow.send(upload("Content-Length: 12000")).await;
    let sending = async {
        for _ in 0..12 {
            sleep(pause).await;
            slow.send("x".repeat(1000)).await;
        }
    };
    let (mut upstream, ()) = tokio::join!(backend.accept(), sending);
    upstream.head().await;
    upstream.discard_until("x").await;
    upstream
        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .await;
    slow.until("ok").await;
}

#[tokio::test]
async fn body_of_unknown_length_may_be_silent() {
    let backend = RawServer::bind().await;
    let front = front_with_receive_timeout(&backend);
    let mut client = front.connect().await;
    client.send(upload("Transfer-Encoding: chunked")).await;
    client.send("5\r\nfirst\r\n").await;
    let mut upstream = backend.accept().await;
    upstream.until("first").await;
    sleep(3 * RECEIVE_TIMEOUT).await;
    client.send("4\r\nlast\r\n0\r\n\r\n").await;
    upstream.until("last").await;
    upstream
        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .await;
    client.until("ok").await;
}
