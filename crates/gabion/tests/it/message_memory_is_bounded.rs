//! The memory of incomplete messages over all sockets has a limit. A socket that needs more is closed
//! with 1013; small messages pass meanwhile, and all memory is returned.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use gabion::Guard;
use gabion_testkit::{RawWebSocket, Recorder, frame, peer};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, copy, duplex, sink},
    runtime::Builder,
    time::{sleep, timeout},
};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::support::{
    echo::{TRUSTING, echo_behind},
    guarded_proxy::builder,
};

const CLIENT: &str = "203.0.113.9";
const RULE: &str = "[[message]]\nid = 'word'\ncontains = 'attack'\n";
/// What a socket may use beyond the limit: a held and a decoded message of 4 KiB.
const SMALL: u64 = 2 * 4096;
const HANDSHAKE: &[u8] = b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

fn guard(limits: &str, events: &Arc<Recorder>) -> Guard {
    let policy = format!("{TRUSTING}[upgrade]\n{limits}\n{RULE}");
    let guard = builder(Arc::clone(events));
    guard.with_policy(&policy, "policy").unwrap()
}

/// Waits until no message uses memory.
async fn wait_until_returned(guard: &Guard) {
    let wait = async {
        while guard.sessions().buffered() > 0 {
            sleep(Duration::from_millis(2)).await;
        }
    };
    let returned = timeout(Duration::from_secs(5), wait).await;
    assert!(returned.is_ok(), "{} bytes", guard.sessions().buffered());
}

#[tokio::test]
async fn fragments_beyond_the_limit_close_their_socket_and_small_messages_pass() {
    let events = Arc::new(Recorder::default());
    let guard = guard("max_message = '64KiB'\nmax_buffered = '1MiB'", &events);
    let server = echo_behind(guard).await;
    let sessions = server.guard().sessions();
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let mut socket = RawWebSocket::new(server.open_raw("/open", CLIENT).await);
        socket.send(&bytes(RawWebSocket::FIRST)).await;
        sockets.push(socket);
    }
    let wait = async {
        while sessions.len() > 10 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    // Each uses 120 KB at least.
    timeout(Duration::from_secs(10), wait)
        .await
        .expect("closed");
    let buffered = sessions.buffered();
    assert!(buffered > 512 << 10, "{buffered} bytes are in use");
    assert!(buffered <= (1 << 20) + 20 * SMALL, "{buffered} bytes");

    // Another client's chat goes on, and its large message has to wait for memory.
    let mut chat = RawWebSocket::new(server.open_raw("/ws", "198.51.100.7").await);
    for size in [5, 1_500, 4_000] {
        let text = vec![b'b'; size];
        chat.send(&frame(RawWebSocket::TEXT, &text)).await;
        assert_eq!(chat.next().await, Some((RawWebSocket::TEXT, text)));
    }
    let texts = events.take_texts();
    assert!(texts.len() >= 10, "{texts:?}");
    for text in texts {
        let expected = "closed with 1013: rule message/buffers-full (in the frame at byte 0)";
        assert!(text.contains(expected), "{text}");
    }
    drop(sockets);
    wait_until_returned(server.guard()).await;
    let large = vec![b'c'; 60_000];
    chat.send(&frame(RawWebSocket::TEXT, &large)).await;
    assert_eq!(
        chat.next().await,
        Some((RawWebSocket::TEXT, large)),
        "there is memory again"
    );
    wait_until_returned(server.guard()).await;
}

/// A message of 60 KB, or its first part.
fn bytes(first: u8) -> Vec<u8> {
    frame(first, &vec![b'a'; 60_000])
}

/// An open socket in memory to a service that reads all; a slow one pauses after the first byte.
async fn open(guard: &Guard, is_slow: bool) -> DuplexStream {
    let service = service_fn(move |mut request: Request<Incoming>| {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(upgrade.await.unwrap());
            if is_slow {
                stream.read_u8().await.unwrap();
                sleep(Duration::from_millis(500)).await;
            }
            let _ = copy(&mut stream, &mut sink()).await;
        });
        let mut response = Response::new(Empty::<Bytes>::new());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let service = guard.layer().layer(service);
    let service = service.map_request(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer(CLIENT));
        request
    });
    let (mut client, server) = duplex(4096);
    let service = TowerToHyperService::new(service);
    let connection = http1::Builder::new().serve_connection(TokioIo::new(server), service);
    tokio::spawn(connection.with_upgrades());
    client.write_all(HANDSHAKE).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    client
}

#[test]
fn thousand_fragments_of_60_kb_use_at_most_the_default_limit() {
    const SOCKETS: u64 = 1_000;
    let guard = guard("", &Arc::new(Recorder::default()));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let holding = async || {
        let mut client = open(&guard, false).await;
        // The socket may be closed meanwhile.
        let _ = client.write_all(&bytes(RawWebSocket::FIRST)).await;
        client
    };
    let mut sockets = Vec::new();
    let counted = allocation_counter::measure(|| {
        let all = join_all((0..SOCKETS).map(|_| holding()));
        sockets = runtime.block_on(all);
    });
    let (used, buffered) = (counted.bytes_max >> 20, guard.sessions().buffered() >> 20);
    println!("{SOCKETS} fragments use at most {used} MiB, {buffered} MiB of them budgeted");
    // 20 KB for the stream in memory and the session.
    let most = (64 << 20) + SOCKETS * (20_000 + SMALL);
    assert!(counted.bytes_max <= most, "{used} MiB");
    assert!(buffered > 32, "{buffered} MiB");
    drop(sockets);
    runtime.block_on(wait_until_returned(&guard));
}

#[tokio::test]
async fn message_uses_memory_until_the_service_has_read_it() {
    let guard = guard("", &Arc::new(Recorder::default()));
    let mut client = open(&guard, true).await;
    client.write_all(&bytes(RawWebSocket::TEXT)).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let buffered = guard.sessions().buffered();
    assert!((60_000..150_000).contains(&buffered), "{buffered} bytes");
    wait_until_returned(&guard).await;
}
