//! An idle client is pinged: proxies keep its socket open, its service receives none of it, and no
//! frame is broken.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use gabion::{
    Mode,
    inspect::{Messages, OnFault},
};
use gabion_core::SessionLimits;
use gabion_testkit::{EchoServer, IdleTimeoutRelay, RawWebSocket, frame, peer};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{
        AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex, split,
    },
    time::{sleep, timeout},
};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use crate::support::echo::{SessionParts, echo_with_limits, layer_with_limits};

const CLIENT: &str = "203.0.113.9";
const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

fn session_limits(ping: Duration) -> SessionLimits {
    SessionLimits {
        ping: Some(ping),
        mode: Mode::Enforce,
        ..SessionLimits::default()
    }
}

/// An echo server with this ping interval in milliseconds.
async fn pinging(millis: u64) -> EchoServer<SessionParts> {
    echo_with_limits(
        session_limits(Duration::from_millis(millis)),
        Messages::default(),
    )
    .await
}

/// Opens a socket on `path`.
async fn open(server: &EchoServer<SessionParts>, path: &str) -> RawWebSocket {
    RawWebSocket::new(server.open_raw(path, CLIENT).await)
}

#[tokio::test]
async fn idle_socket_survives_a_proxy_with_an_idle_timeout() {
    let patience = Duration::from_millis(300);
    let silent = echo_with_limits(SessionLimits::default(), Messages::default()).await;
    let relay = IdleTimeoutRelay::start(silent.addr(), patience).await;
    let silent = silent.through(&relay);
    let (cut, _) = open(&silent, "/open").await.read_to_end().await;
    assert!(cut < patience * 3, "the relay does not cut: {cut:?}");

    let pinging = pinging(100).await;
    let relay = IdleTimeoutRelay::start(pinging.addr(), patience).await;
    let pinging = pinging.through(&relay);
    let mut socket = open(&pinging, "/open").await;
    let (others, pings) = socket.answer_pings(patience * 5).await;
    assert_eq!(others, []);
    assert!((8..=16).contains(&pings), "{pings} pings in 1.5 s");
    // The service receives its own messages, and no answer to a ping that it did not send.
    let own = [
        frame(RawWebSocket::PONG, b"unasked"),
        frame(RawWebSocket::TEXT, b"hello"),
        frame(RawWebSocket::PONG, b""),
    ]
    .concat();
    socket.send(&own).await;
    assert_eq!(pinging.wait_for_received(own.len()).await, own);
    assert_eq!(pinging.guard().event_texts(), [""; 0]);
}

#[tokio::test]
async fn fragmented_pong_is_removed() {
    let server = pinging(100).await;
    let mut socket = open(&server, "/open").await;
    let (first, tag) = socket.next().await.unwrap();
    assert_eq!((first, tag.len()), (RawWebSocket::PING, 8));
    for byte in frame(RawWebSocket::PONG, &tag) {
        socket.send(&[byte]).await;
        sleep(Duration::from_millis(2)).await;
    }
    let almost = [
        frame(RawWebSocket::PONG, &tag[..7]),
        frame(RawWebSocket::TEXT, b"hello"),
    ]
    .concat();
    socket.send(&almost).await;
    assert_eq!(server.wait_for_received(almost.len()).await, almost);
}

#[tokio::test]
async fn active_client_is_not_pinged() {
    let server = pinging(300).await;
    let mut socket = open(&server, "/open").await;
    for _ in 0..12 {
        socket.send(&frame(RawWebSocket::TEXT, b"hello")).await;
        sleep(Duration::from_millis(50)).await;
    }
    let (others, pings) = socket.answer_pings(Duration::from_millis(20)).await;
    assert_eq!((others, pings), (vec![], 0));
}

#[tokio::test]
async fn ping_is_sent_between_frames_and_between_fragments() {
    let server = pinging(50).await;
    // The service stops within a frame.
    let mut stuck = server.open_raw("/stuck", CLIENT).await;
    let mut half = Vec::new();
    let more = timeout(Duration::from_millis(300), stuck.read_to_end(&mut half)).await;
    assert!(more.is_err(), "it was cut, or ended");
    assert_eq!(half, b"\x81\x04ab");

    // The service pauses within a message.
    let mut socket = open(&server, "/fragments").await;
    let (others, pings) = socket.answer_pings(Duration::from_millis(250)).await;
    assert_eq!(others, [(0x01, b"ab".to_vec())]);
    assert!(pings >= 2, "{pings}");
    let (others, _) = socket.answer_pings(Duration::from_millis(200)).await;
    assert_eq!(others, [(0x80, b"cd".to_vec())]);
}

/// Sends a frame, and another after a pause.
async fn twice(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async {
        let (mut read, mut write) = split(TokioIo::new(upgrade.await.unwrap()));
        let speaking = async {
            write.write_all(b"\x81\x04abcd").await.unwrap();
            sleep(Duration::from_millis(150)).await;
            write.write_all(b"\x81\x04efgh").await.unwrap();
        };
        tokio::join!(speaking, read.read_u8())
    });
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    Ok(response)
}

/// Counts the wakeups until bytes arrive.
async fn woken(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async {
        let (mut stream, mut read) = (TokioIo::new(upgrade.await.unwrap()), [0; 16]);
        let reading = poll_fn(|cx| {
            WOKEN.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut stream).poll_read(cx, &mut ReadBuf::new(&mut read))
        });
        reading.await
    });
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    Ok(response)
}

static WOKEN: AtomicUsize = AtomicUsize::new(0);

/// A socket to `service` that is pinged after 100 ms, over a pipe with a buffer of `room` bytes.
async fn piped<S>(service: S, room: usize) -> (DuplexStream, SessionParts)
where
    S: Service<Request<Incoming>, Response = Response<Empty<Bytes>>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let session_limits = session_limits(Duration::from_millis(100));
    let (layer, held) = layer_with_limits(session_limits, Messages::default(), OnFault::Refuse);
    let service = layer.layer(service);
    let service = service.map_request(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer(CLIENT));
        request
    });
    let (mut client, server) = duplex(room);
    let service = TowerToHyperService::new(service);
    let connection = http1::Builder::new().serve_connection(TokioIo::new(server), service);
    tokio::spawn(connection.with_upgrades());
    client.write_all(HANDSHAKE).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(client.read_u8().await.unwrap());
    }
    (client, held)
}

#[tokio::test]
async fn partly_sent_ping_is_completed_first() {
    // The buffer of the pipe holds a frame and six bytes of the ping after it.
    let (mut client, _held) = piped(service_fn(twice), 12).await;
    sleep(Duration::from_millis(200)).await;
    let mut came = [0; 22];
    let read = timeout(Duration::from_secs(5), client.read_exact(&mut came)).await;
    read.unwrap().unwrap();
    assert_eq!(came[..8], *b"\x81\x04abcd\x89\x08");
    assert_eq!(came[16..], *b"\x81\x04efgh");
}

#[tokio::test]
async fn service_is_woken_only_for_a_ping_and_its_answer() {
    let (mut client, _held) = piped(service_fn(woken), 1024).await;
    for _ in 0..10 {
        let mut ping = [0; 10];
        client.read_exact(&mut ping).await.unwrap();
        client
            .write_all(&frame(RawWebSocket::PONG, &ping[2..]))
            .await
            .unwrap();
    }
    let woken = WOKEN.load(Ordering::Relaxed);
    println!("a service is woken {woken} times for ten pings");
    assert!((10..=25).contains(&woken), "{woken}");
}

#[tokio::test]
async fn socket_over_http2_is_pinged() {
    let server = pinging(50).await;
    let mut stream = server.open_http2("/open", CLIENT).await;
    let mut ping = [0; 10];
    timeout(Duration::from_secs(5), stream.read_exact(&mut ping))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ping[..2], [RawWebSocket::PING, 8]);
    let answer = [
        frame(RawWebSocket::PONG, &ping[2..]),
        frame(RawWebSocket::TEXT, b"hello"),
    ];
    stream.write_all(&answer.concat()).await.unwrap();
    assert_eq!(server.wait_for_received(answer[1].len()).await, answer[1]);
}
