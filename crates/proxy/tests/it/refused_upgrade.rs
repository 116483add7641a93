//! A refused upgrade ends its connection: the bytes after it are not parsed as a request.

use crate::support::proxy_before;
use gabion_testkit::{ProxyServer, RawServer};

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Fails unless the next request that the backend gets is one sent now.
async fn assert_backend_got_nothing(backend: &RawServer, front: &ProxyServer) {
    let mut next = front.connect().await;
    next.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (_, first) = backend.answer(OK).await;
    assert!(first.starts_with("GET /next "), "{first}");
}

#[tokio::test]
async fn bytes_after_an_upgrade_refused_by_the_proxy_are_no_request() {
    for request in [
        "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n",
    ] {
        let backend = RawServer::bind().await;
        let front = proxy_before(&backend);
        let mut client = front.connect().await;
        client.send(&format!("{request}{SMUGGLED}")).await;
        let answer = client.end().await;
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert_backend_got_nothing(&backend, &front).await;
    }
}

#[tokio::test]
async fn bytes_after_an_upgrade_refused_by_the_upstream_are_no_request() {
    for request in [
        "Connection: Upgrade\r\nUpgrade: tcp\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Upgrade: websocket\r\n",
    ] {
        let backend = RawServer::bind().await;
        let front = proxy_before(&backend);
        let mut client = front.connect().await;
        client
            .send(&format!(
                "GET / HTTP/1.1\r\nHost: a\r\n{request}\r\n{SMUGGLED}"
            ))
            .await;
        let (upstream, head) = backend.answer(OK).await;
        assert!(head.starts_with("GET / "), "{head}");
        let answer = client.end().await;
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        drop(upstream);
        assert_backend_got_nothing(&backend, &front).await;
    }
}

#[tokio::test]
async fn h2c_offer_keeps_the_connection() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    let request =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    client
        .send(&format!("GET /1 HTTP/1.1\r\nHost: a\r\n{request}\r\n"))
        .await;
    let (mut upstream, _) = backend.answer(OK).await;
    client.until("ok").await;
    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(upstream.head().await.starts_with("GET /2 "));
}
