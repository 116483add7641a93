//! HTTP/2 in, HTTP/1.1 out.

use gabion_testkit::{ProxyServer, RawConnection, RawServer, eventually};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use gabion_proxy::ProxyOptions;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::BoxBody};
use hyper::ext::Protocol;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use crate::support::{Setup, connect_http2, proxy_before};

pub(crate) type Outgoing = BoxBody<Bytes, std::io::Error>;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nkeep-alive: timeout=5\r\n\r\nok";

pub(crate) fn empty() -> Outgoing {
    Empty::new().map_err(|never| match never {}).boxed()
}

fn connect(protocol: Option<&'static str>, front: &ProxyServer) -> Request<Outgoing> {
    let mut request = Request::builder().method(Method::CONNECT);
    request = match protocol {
        Some(protocol) => request
            .uri(format!("http://{}/ws?q", front.addr()))
            .extension(Protocol::from_static(protocol)),
        None => request.uri(front.addr().to_string()),
    };
    request
        .header("sec-websocket-version", "13")
        .body(empty())
        .unwrap()
}

/// Starts a proxy and answers one request on a connection, so that the client knows that extended
/// CONNECT is enabled. Also returns the backend's end.
async fn start_http2(
    backend: &RawServer,
) -> (
    ProxyServer,
    hyper::client::conn::http2::SendRequest<Outgoing>,
    RawConnection,
) {
    start(Setup::with_http2(), backend).await
}

async fn start(
    setup: Setup,
    backend: &RawServer,
) -> (
    ProxyServer,
    hyper::client::conn::http2::SendRequest<Outgoing>,
    RawConnection,
) {
    let front = setup.before(&backend.url());
    let mut sender = connect_http2(&front).await;
    let request = Request::get(format!("http://{}/", front.addr()))
        .body(empty())
        .unwrap();
    let (response, (wire, _)) = tokio::join!(sender.send_request(request), backend.answer(OK));
    assert_eq!(
        response
            .unwrap()
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes(),
        "ok"
    );
    (front, sender, wire)
}

/// Reads the upgrade request and accepts it.
pub(crate) async fn accept(upstream: &mut RawConnection) -> String {
    accept_and(upstream, "").await
}

/// Like `accept`, with more lines in the response.
async fn accept_and(upstream: &mut RawConnection, lines: &str) -> String {
    let head = upstream.head().await;
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("sec-websocket-key: "))
        .unwrap();
    let accept = accept_for(key);
    upstream
        .send(&format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: {accept}\r\n{lines}\r\n"
        ))
        .await;
    head
}

fn accept_for(key: &str) -> String {
    use base64::Engine as _;
    use sha1::Digest as _;
    let hash = sha1::Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    base64::engine::general_purpose::STANDARD.encode(hash)
}

#[tokio::test]
async fn http2_head_is_rewritten_for_http1() {
    let backend = RawServer::bind().await;
    let front = Setup::with_http2().before(&backend.url());
    let mut sender = connect_http2(&front).await;
    let request = Request::get("http://shop.example/a?b")
        .header("cookie", "a=1")
        .header("cookie", "b=2; c=3")
        .body(empty())
        .unwrap();
    let (response, (_, head)) = tokio::join!(sender.send_request(request), backend.answer(OK));
    assert!(head.starts_with("GET /a?b HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: shop.example\r\n"), "{head}");
    assert!(head.contains("\r\ncookie: a=1; b=2; c=3\r\n"), "{head}");
    assert_eq!(head.matches("cookie").count(), 1, "{head}");
    let response = response.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key("keep-alive"));
}

#[tokio::test]
async fn trailers_are_forwarded_in_both_directions() {
    let backend = RawServer::bind().await;
    let front = Setup::with_http2().before(&backend.url());
    let mut sender = connect_http2(&front).await;
    let trailers =
        HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("up"))]);
    let body = Full::new(Bytes::from_static(b"hi"))
        .with_trailers(std::future::ready(Some(Ok(trailers))))
        .map_err(|never| match never {})
        .boxed();
    let request = Request::post(format!("http://{}/", front.addr()))
        .header("trailer", "x-sum")
        .body(body)
        .unwrap();
    let upstream = async {
        let mut wire = backend.accept().await;
        wire.until("2\r\nhi\r\n0\r\nx-sum: up\r\n\r\n").await;
        wire.send(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nho\r\n0\r\nx-sum: down\r\n\r\n",
        )
        .await;
        wire
    };
    let (response, _wire) = tokio::join!(sender.send_request(request), upstream);
    let body = response.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["x-sum"], "down");
    assert_eq!(body.to_bytes(), "ho");
}

#[tokio::test]
async fn upload_of_a_reset_stream_is_not_ended_cleanly() {
    for length in [None, Some("9")] {
        let backend = RawServer::bind().await;
        let front = Setup::with_http2().before(&backend.url());
        let mut sender = connect_http2(&front).await;
        let (body, release) = broken_after(b"first");
        let mut request = Request::post(format!("http://{}/", front.addr()));
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        let exchange = sender.send_request(request.body(body).unwrap());
        let upstream = async {
            let mut wire = backend.accept().await;
            wire.until("first").await;
            release.send(()).unwrap();
            wire.end().await
        };
        let (response, rest) = tokio::join!(exchange, upstream);
        assert!(response.is_err(), "{response:?}");
        assert_eq!(rest.trim_start_matches("\r\n"), "", "{length:?}");
    }
}

/// A body that fails after `data` on a signal: its stream is reset.
fn broken_after(data: &'static [u8]) -> (Outgoing, tokio::sync::oneshot::Sender<()>) {
    let (release, held) = tokio::sync::oneshot::channel();
    let broken = StreamBody::new(futures_util::stream::once(async move {
        held.await.unwrap();
        Err(std::io::Error::other("broken"))
    }));
    let data = futures_util::stream::once(std::future::ready(Ok(Frame::data(Bytes::from_static(
        data,
    )))));
    (BodyExt::boxed(StreamBody::new(data.chain(broken))), release)
}

#[tokio::test]
async fn websocket_opens_by_extended_connect() {
    let backend = RawServer::bind().await;
    let (front, mut sender, mut upstream) = start_http2(&backend).await;
    let handshake = sender.send_request(connect(Some("websocket"), &front));
    let (response, head) = tokio::join!(handshake, accept(&mut upstream));
    assert!(head.starts_with("GET /ws?q HTTP/1.1\r\n"), "{head}");
    for line in [
        "connection: Upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
    ] {
        assert!(
            head.contains(&format!("\r\n{line}\r\n")),
            "no {line} in {head}"
        );
    }
    let response = response.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key("sec-websocket-accept"));

    let mut client = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    client.write_all(b"ping").await.unwrap();
    upstream.until("ping").await;
    upstream.send("pong").await;
    let mut seen = [0; 4];
    client.read_exact(&mut seen).await.unwrap();
    assert_eq!(&seen, b"pong");
    assert_eq!(front.tunnels().open(), 1);
    client.shutdown().await.unwrap();
    assert_eq!(upstream.end().await, "");
}

/// Echoes with tungstenite, and returns the number of pings it got.
async fn echo(backend: RawServer) -> usize {
    let mut first = backend.accept().await;
    first.head().await;
    first.send(OK).await;
    let mut socket = tokio_tungstenite::accept_async(first.into_stream())
        .await
        .unwrap();
    let mut pings = 0;
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Ping(_) => pings += 1,
            Message::Close(_) => {}
            message => socket.send(message).await.unwrap(),
        }
    }
    pings
}

#[tokio::test]
async fn http2_client_exchanges_messages_with_an_http1_server_and_gets_no_pings() {
    let every = Duration::from_millis(100);
    let backend = RawServer::bind().await;
    let setup = Setup {
        proxy: ProxyOptions::default().with_ping(Some(every)),
        ..Setup::with_http2()
    };
    let front = setup.before(&backend.url());
    let echo = tokio::spawn(echo(backend));
    let mut sender = connect_http2(&front).await;
    let get = Request::get(format!("http://{}/", front.addr())).body(empty());
    sender.send_request(get.unwrap()).await.unwrap();
    let handshake = connect(Some("websocket"), &front);
    let response = sender.send_request(handshake).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let mut client = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    for text in ["one", "two", "three"] {
        // Longer than the ping interval.
        sleep(every * 3 / 2).await;
        client.send(Message::text(text)).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text(text));
    }
    client.close(None).await.unwrap();
    while let Some(Ok(last)) = client.next().await {
        assert!(last.is_close(), "{last:?}");
    }
    assert!(echo.await.unwrap() >= 3);
}

#[tokio::test]
async fn success_without_a_websocket_is_502() {
    let backend = RawServer::bind().await;
    let (front, mut sender, mut upstream) = start_http2(&backend).await;
    let handshake = sender.send_request(connect(Some("websocket"), &front));
    let answer = async {
        upstream.head().await;
        upstream.send(OK).await;
    };
    let (response, ()) = tokio::join!(handshake, answer);
    assert_eq!(response.unwrap().status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn selection_that_was_not_offered_is_502() {
    for lines in [
        "sec-websocket-protocol: chat\r\n",
        "sec-websocket-extensions: permessage-deflate\r\n",
    ] {
        let backend = RawServer::bind().await;
        let (front, mut sender, mut upstream) = start_http2(&backend).await;
        let handshake = sender.send_request(connect(Some("websocket"), &front));
        let (response, _) = tokio::join!(handshake, accept_and(&mut upstream, lines));
        assert_eq!(
            response.unwrap().status(),
            StatusCode::BAD_GATEWAY,
            "{lines}"
        );
        assert_eq!(upstream.end().await, "", "the connection is still in use");
        assert_eq!(front.tunnels().open(), 0);
    }
}

#[tokio::test]
async fn other_tunnels_are_refused() {
    let backend = RawServer::bind().await;
    let (front, mut sender, _upstream) = start_http2(&backend).await;
    for protocol in [None, Some("connect-udp")] {
        let response = sender
            .send_request(connect(protocol, &front))
            .await
            .unwrap();
        assert_eq!(
            response.status(),
            StatusCode::NOT_IMPLEMENTED,
            "{protocol:?}"
        );
    }
}

#[tokio::test]
async fn prior_knowledge_is_off_by_default() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let answer = client.end().await;
    assert!(
        answer.starts_with("HTTP/1.1 400 ") || answer.is_empty(),
        "{answer}"
    );
}

const IDLE_TIMEOUT: Duration = Duration::from_millis(300);

/// A setup that closes an idle connection after [`IDLE_TIMEOUT`].
fn closing_idle() -> Setup {
    let setup = Setup::with_http2();
    let serve = setup.serve.with_header_timeout(IDLE_TIMEOUT);
    Setup { serve, ..setup }
}

#[tokio::test]
async fn idle_connection_is_closed_though_it_answers_pings() {
    let backend = RawServer::bind().await;
    let (_front, mut client, mut upstream) = start(closing_idle(), &backend).await;
    let get = Request::get("http://a/").body(empty()).unwrap();
    let stream = async {
        upstream.head().await;
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        upstream.send(head).await;
    };
    let (answer, ()) = tokio::join!(client.send_request(get), stream);
    sleep(3 * IDLE_TIMEOUT).await;
    assert!(!client.is_closed(), "a response is in progress");
    upstream.send("2\r\nok\r\n0\r\n\r\n").await;
    let body = answer.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "ok");
    assert!(!client.is_closed());
    let closed = eventually(|| client.is_closed().then_some(())).await;
    assert!(closed.is_some(), "still open");
}

#[tokio::test]
async fn connection_with_a_tunnel_is_not_idle() {
    let backend = RawServer::bind().await;
    let (front, mut client, mut upstream) = start(closing_idle(), &backend).await;
    let handshake = client.send_request(connect(Some("websocket"), &front));
    let (answer, _) = tokio::join!(handshake, accept(&mut upstream));
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    sleep(3 * IDLE_TIMEOUT).await;
    assert!(!client.is_closed());
}
