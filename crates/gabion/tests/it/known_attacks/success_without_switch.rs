//! CVE-2024-23326 (Envoy): a 200 response to an upgrade request was taken for an open tunnel.
//!
//! On HTTP/1.1 the client receives the response and the connection ends. On HTTP/2, where a success
//! opens the tunnel, the client receives 502. Bytes after the handshake do not reach the upstream.

use gabion_proxy::Protocols;
use gabion_testkit::Http2Client;
use http::{Method, StatusCode};

use super::exchange::{ACCEPT, Exchange, GET, HANDSHAKE, OK, SMUGGLED, answers};
use crate::support::guarded_proxy::DEFAULT;

#[tokio::test]
async fn success_opens_nothing() {
    let exchange = Exchange::start().await;
    let mut client = exchange.client(HANDSHAKE).await;
    let switched = OK.replace(
        "\r\n\r\n",
        "\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    );
    let (mut server, _) = exchange.answer(&switched).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(!head.contains("upgrade"), "{head}");
    client.send(SMUGGLED).await;
    let rest = client.end().await;
    assert_eq!((rest.as_str(), answers(&rest)), ("ok", 0));
    assert_eq!(server.soon().await, "");
    exchange.assert_untouched_except(&mut server).await;
}

#[tokio::test]
async fn success_on_http2_is_502() {
    let exchange = Exchange::with_protocols(Protocols::Http1AndPriorKnowledge, DEFAULT).await;
    let mut client = Http2Client::connect(exchange.proxy.addr()).await;
    for (answer, expected) in [(OK, StatusCode::BAD_GATEWAY), (GONE, StatusCode::GONE)] {
        // Extended CONNECT needs the server's settings, which arrive with a first response.
        let first = client.send(Method::GET, "/ws", &[]);
        let (first, _) = tokio::join!(first, exchange.answer(CLOSING));
        assert_eq!(first.status(), StatusCode::OK);
        let version = [("sec-websocket-version", "13")];
        let connect = client.send(Method::CONNECT, "/ws", &version);
        let (response, (mut server, head)) = tokio::join!(connect, exchange.answer(answer));
        assert!(head.starts_with("GET /ws HTTP/1.1\r\n"), "{head}");
        assert_eq!(response.status(), expected);
        assert_eq!(server.soon().await, "");
    }
}

const CLOSING: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
const GONE: &str = "HTTP/1.1 410 Gone\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn switch_opens() {
    let exchange = Exchange::without_frame_rules().await;
    let mut client = exchange.client(HANDSHAKE).await;
    let (mut server, _) = exchange.answer(ACCEPT).await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    client.send(GET).await;
    server.until("/honest").await;
}
