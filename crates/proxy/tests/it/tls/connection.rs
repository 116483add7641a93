//! What holds on plain connections holds on those with TLS.

use std::sync::Arc;

use gabion_core::{Event, Framing};
use gabion_proxy::ServeOptions;
use gabion_testkit::{
    Http2Client, LoopbackServer, ProxyServer, RawConnection, RawServer, Recorder, eventually,
};
use tokio::time::{Instant, timeout};

use super::{Authority, GET, HTTP1, HTTP2, OK, SHORT, read_to_end};
use crate::{
    support::{PATIENCE, Setup},
    websocket::{HANDSHAKE, SWITCHING},
};

/// A proxy that serves TLS before a server, with a relay that speaks TLS for the client.
struct Tested {
    backend: RawServer,
    front: ProxyServer,
    relay: LoopbackServer,
    events: Arc<Recorder>,
    authority: Authority,
}

impl Tested {
    async fn start(test: &str, protocols: &[&str], serve: ServeOptions) -> Self {
        Self::tweaked(test, protocols, serve, |_| {}).await
    }

    async fn tweaked(
        test: &str,
        protocols: &[&str],
        serve: ServeOptions,
        tweak: fn(&mut http::Request<hyper::body::Incoming>),
    ) -> Self {
        let authority = Authority::new(test);
        let backend = RawServer::bind().await;
        let events = Arc::<Recorder>::default();
        let setup = authority.with(serve.with_sink(events.clone()));
        let front = Setup { tweak, ..setup }.before(&backend.url());
        let relay = authority.relay(front.addr(), protocols).await;
        Self {
            backend,
            front,
            relay,
            events,
            authority,
        }
    }

    async fn connect(&self) -> RawConnection {
        RawConnection::connect(self.relay.addr()).await
    }

    async fn event(&self) -> String {
        let texts = || Some(self.events.take_texts()).filter(|texts| !texts.is_empty());
        eventually(texts).await.expect("an event").join("\n")
    }
}

#[tokio::test]
async fn requests_share_a_connection_and_bodies_stream() {
    let tested = Tested::start("tls-bodies", HTTP1, ServeOptions::default()).await;
    let mut client = tested.connect().await;
    let body = "x".repeat(1 << 20) + "end";
    let length = format!("content-length: {}\r\n\r\n{body}", body.len());
    let serve = async {
        let mut upstream = tested.backend.accept().await;
        for _ in 0..2 {
            upstream.discard_until("end").await;
            upstream.send(format!("HTTP/1.1 200 OK\r\n{length}")).await;
        }
    };
    let exchange = async {
        for _ in 0..2 {
            client
                .send(format!("POST / HTTP/1.1\r\nHost: a\r\n{length}"))
                .await;
            assert!(client.discard_until("end").await > body.len());
        }
    };
    tokio::join!(serve, exchange);
}

#[tokio::test]
async fn framing_is_tracked_and_refused_bytes_are_evented() {
    let tested = Tested::tweaked("tls-framing", HTTP1, ServeOptions::default(), |request| {
        let framing = request.extensions().get::<Framing>().copied();
        let framing = format!("{framing:?}").parse().unwrap();
        request.headers_mut().insert("x-framing", framing);
    })
    .await;
    let mut client = tested.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        .await;
    let (_, head) = tested.backend.answer(OK).await;
    assert!(head.contains("\r\nx-framing: Some("), "{head}");
    assert!(!head.contains("x-framing: Some(AsShown"), "{head}");
    let mut client = tested.connect().await;
    client.send("G@T /secret HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.until("400 Bad Request").await;
    let text = tested.event().await;
    assert!(
        text.contains("unparsable/method") && text.contains("G@T /secret"),
        "{text}"
    );
}

#[tokio::test]
async fn memory_of_incomplete_heads_is_shared() {
    let serve = ServeOptions::default().with_head_memory(10_000);
    let tested = Tested::start("tls-heads", HTTP1, serve).await;
    let mut client = tested.connect().await;
    client
        .send(format!("GET / HTTP/1.1\r\nCookie: {}", "c".repeat(60_000)))
        .await;
    assert_eq!(client.end().await, "");
    assert!(
        tested
            .event()
            .await
            .contains("incomplete request head is large")
    );
}

#[tokio::test]
async fn flood_of_control_frames_is_cut() {
    let tested = Tested::start("tls-flood", HTTP2, ServeOptions::default()).await;
    let mut client = tested.connect().await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.send(b"\0\0\0\x04\0\0\0\0\0").await;
    let ping = b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let flood = async {
        for _ in 0..2_000 {
            client.send(ping).await;
        }
        client.end().await
    };
    timeout(PATIENCE, flood).await.expect("it ends");
    assert!(tested.event().await.contains("more HTTP/2 control frames"));
}

#[tokio::test]
async fn client_that_takes_no_bytes_is_cut() {
    let serve = ServeOptions::default().with_send_timeout(SHORT);
    let tested = Tested::start("tls-stall", HTTP1, serve).await;
    let mut client = tested.connect().await;
    client.send(GET).await;
    let (upstream, _) = tested.backend.answer("HTTP/1.1 200 OK\r\n\r\n").await;
    let began = Instant::now();
    let mut upstream = upstream.into_stream();
    let endless = async {
        use tokio::io::AsyncWriteExt as _;
        // A closed connection resets this one.
        while upstream.write_all(&[b'x'; 1 << 13]).await.is_ok() {}
    };
    timeout(PATIENCE, endless)
        .await
        .expect("the stalled client is cut");
    assert!(began.elapsed() >= SHORT);
}

#[tokio::test]
async fn silent_client_is_disconnected_after_the_header_timeout() {
    for protocols in [HTTP1, HTTP2] {
        let serve = ServeOptions::default().with_header_timeout(SHORT);
        let tested = Tested::start("tls-idle", protocols, serve).await;
        let began = Instant::now();
        let mut client = tested.connect().await;
        client
            .send(if protocols == HTTP2 { "PRI * HT" } else { "" })
            .await;
        timeout(PATIENCE, client.end()).await.expect("it ends");
        assert!(began.elapsed() >= SHORT, "{protocols:?}");
    }
}

#[tokio::test]
async fn websocket_is_tunneled_and_ends_with_its_client() {
    let tested = Tested::start("tls-websocket", HTTP1, ServeOptions::default()).await;
    let mut client = tested.connect().await;
    client.send(HANDSHAKE).await;
    let (mut upstream, head) = tested.backend.answer(SWITCHING).await;
    assert!(head.contains("\r\nx-forwarded-proto: https\r\n"), "{head}");
    client.head().await;
    assert_eq!(tested.front.tunnels().open(), 1);
    for round in ["one", "two"] {
        client.send(round).await;
        upstream.until(round).await;
        upstream.send(round).await;
        client.until(round).await;
    }
    let long = "x".repeat(4 << 20) + "end";
    let ((), seen) = tokio::join!(upstream.send(&long), client.until("end"));
    assert_eq!(seen.len(), long.len());
    drop(client);
    assert_eq!(upstream.end().await, "");
    drop(upstream);
    let closed = eventually(|| (tested.front.tunnels().open() == 0).then_some(()));
    assert!(closed.await.is_some());
}

#[tokio::test]
async fn websocket_opens_by_extended_connect() {
    let tested = Tested::start("tls-connect", HTTP2, ServeOptions::default()).await;
    let mut client = Http2Client::connect(tested.relay.addr()).await;
    let (response, _) = tokio::join!(
        client.send(http::Method::GET, "/", &[]),
        tested.backend.answer(OK)
    );
    assert_eq!(response.status(), 200);
    let answer = async {
        let mut upstream = tested.backend.accept().await;
        let head = crate::http2::accept(&mut upstream).await;
        assert!(head.contains("\r\nx-forwarded-proto: https\r\n"), "{head}");
        upstream.until("ping").await;
        upstream.send("pong").await;
        upstream
    };
    let exchange = async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut socket = client.open_websocket("/ws", &[]).await.unwrap();
        socket.write_all(b"ping").await.unwrap();
        socket.flush().await.unwrap();
        let mut answer = [0; 4];
        socket.read_exact(&mut answer).await.unwrap();
        answer
    };
    let both = async { tokio::join!(answer, exchange) };
    let (_upstream, answer) = timeout(PATIENCE, both).await.unwrap();
    assert_eq!(&answer, b"pong");
}

#[tokio::test]
async fn client_that_ends_without_close_notify_gets_the_rest() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let tested = Tested::start("tls-eof", HTTP1, ServeOptions::default()).await;
    let stream = tested
        .authority
        .connect(tested.front.addr(), "localhost", HTTP1)
        .await;
    let mut stream = stream.unwrap();
    stream.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    let (mut upstream, _) = tested.backend.answer(SWITCHING).await;
    let mut head = [0; 512];
    assert!(stream.read(&mut head).await.unwrap() > 0);
    // Only TCP ends, and only in one direction.
    let (mut tcp, _) = stream.into_inner();
    tcp.shutdown().await.unwrap();
    assert_eq!(upstream.end().await, "");
    upstream.send("the rest").await;
    drop(upstream);
    assert!(read_to_end(&mut tcp).await > "the rest".len(), "it arrives");
    let events = tested.events.take();
    let is_failure = |event: &Event| matches!(event, Event::ProxyFailure(_));
    assert!(!events.iter().any(is_failure), "{events:?}");
}
