//! A client that is silent is pinged: hops keep its socket open, its service hears nothing of it, no
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
    inspect::{OnFault, ProtocolRules},
};
use gabion_core::SessionLimits;
use gabion_testkit::peer;
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

use crate::support::{
    frames::{ByHand, PING, PONG, TEXT, frame},
    hop::Hop,
    house::House,
    session_limits::{Held, house, layer},
};

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

/// A house that pings after so many milliseconds.
async fn pinging(millis: u64) -> House<Held> {
    house(
        session_limits(Duration::from_millis(millis)),
        ProtocolRules::default(),
    )
    .await
}

/// A socket on `path`.
async fn open(house: &House<Held>, path: &str) -> ByHand {
    ByHand::new(house.open_raw(path, CLIENT).await)
}

#[tokio::test]
async fn silent_socket_survives_a_hop_that_gives_up_what_is_silent() {
    let patience = Duration::from_millis(300);
    let silent = house(SessionLimits::default(), ProtocolRules::default()).await;
    let hop = Hop::before(silent.addr(), patience).await;
    let silent = silent.through(&hop);
    let (cut, _) = open(&silent, "/open").await.stays_open().await;
    assert!(cut < patience * 3, "the hop does not cut: {cut:?}");

    let pinging = pinging(100).await;
    let hop = Hop::before(pinging.addr(), patience).await;
    let pinging = pinging.through(&hop);
    let mut socket = open(&pinging, "/open").await;
    let (others, pings) = socket.answers(patience * 5).await;
    assert_eq!(others, []);
    assert!((8..=16).contains(&pings), "{pings} pings in 1.5 s");
    // The service hears what is meant for it, and no answer to a ping that was not its own.
    let own = [
        frame(PONG, b"unasked"),
        frame(TEXT, b"hello"),
        frame(PONG, b""),
    ]
    .concat();
    socket.send(&own).await;
    assert_eq!(pinging.hears(own.len()).await, own);
    assert_eq!(pinging.told(), [""; 0]);
}

#[tokio::test]
async fn pong_that_comes_in_pieces_is_swallowed_whole() {
    let house = pinging(100).await;
    let mut socket = open(&house, "/open").await;
    let (first, tag) = socket.next().await.unwrap();
    assert_eq!((first, tag.len()), (PING, 8));
    for byte in frame(PONG, &tag) {
        socket.send(&[byte]).await;
        sleep(Duration::from_millis(2)).await;
    }
    let almost = [frame(PONG, &tag[..7]), frame(TEXT, b"hello")].concat();
    socket.send(&almost).await;
    assert_eq!(house.hears(almost.len()).await, almost);
}

#[tokio::test]
async fn client_that_speaks_is_not_pinged() {
    let house = pinging(300).await;
    let mut socket = open(&house, "/open").await;
    for _ in 0..12 {
        socket.send(&frame(TEXT, b"hello")).await;
        sleep(Duration::from_millis(50)).await;
    }
    let (others, pings) = socket.answers(Duration::from_millis(20)).await;
    assert_eq!((others, pings), (vec![], 0));
}

#[tokio::test]
async fn ping_stands_between_frames_and_between_fragments() {
    let house = pinging(50).await;
    // The service pauses within a frame, for ever.
    let mut stuck = house.open_raw("/stuck", CLIENT).await;
    let mut half = Vec::new();
    let more = timeout(Duration::from_millis(300), stuck.read_to_end(&mut half)).await;
    assert!(more.is_err(), "it was cut, or ended");
    assert_eq!(half, b"\x81\x04ab");

    // The service pauses within a message.
    let mut socket = open(&house, "/fragments").await;
    let (others, pings) = socket.answers(Duration::from_millis(250)).await;
    assert_eq!(others, [(0x01, b"ab".to_vec())]);
    assert!(pings >= 2, "{pings}");
    let (others, _) = socket.answers(Duration::from_millis(200)).await;
    assert_eq!(others, [(0x80, b"cd".to_vec())]);
}

/// Sends a frame, and after a while another.
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

/// Counts how often it is woken until something comes.
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

/// A socket to `service`, which pings after 100 ms, through a pipe with so much room.
async fn piped<S>(service: S, room: usize) -> (DuplexStream, Held)
where
    S: Service<Request<Incoming>, Response = Response<Empty<Bytes>>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let session_limits = session_limits(Duration::from_millis(100));
    let (layer, held) = layer(session_limits, ProtocolRules::default(), OnFault::Refuse);
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
async fn ping_of_which_half_has_gone_is_sent_before_all_else() {
    // A pipe that has room for a frame and for six bytes of the ping after it.
    let (mut client, _held) = piped(service_fn(twice), 12).await;
    sleep(Duration::from_millis(200)).await;
    let mut came = [0; 22];
    let read = timeout(Duration::from_secs(5), client.read_exact(&mut came)).await;
    read.unwrap().unwrap();
    assert_eq!(came[..8], *b"\x81\x04abcd\x89\x08");
    assert_eq!(came[16..], *b"\x81\x04efgh");
}

#[tokio::test]
async fn service_is_woken_for_a_ping_and_its_answer_and_for_nothing_else() {
    let (mut client, _held) = piped(service_fn(woken), 1024).await;
    for _ in 0..10 {
        let mut ping = [0; 10];
        client.read_exact(&mut ping).await.unwrap();
        client.write_all(&frame(PONG, &ping[2..])).await.unwrap();
    }
    let woken = WOKEN.load(Ordering::Relaxed);
    println!("a service is woken {woken} times for ten pings");
    assert!((10..=25).contains(&woken), "{woken}");
}

#[tokio::test]
async fn socket_over_http2_is_pinged_alike() {
    let house = pinging(50).await;
    let mut stream = house.open_http2("/open", CLIENT).await;
    let mut ping = [0; 10];
    timeout(Duration::from_secs(5), stream.read_exact(&mut ping))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ping[..2], [PING, 8]);
    let answer = [frame(PONG, &ping[2..]), frame(TEXT, b"hello")];
    stream.write_all(&answer.concat()).await.unwrap();
    assert_eq!(house.hears(answer[1].len()).await, answer[1]);
}
