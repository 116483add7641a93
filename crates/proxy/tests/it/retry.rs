//! Retries: a request on a connection that the server closes is sent again if that is safe.

use gabion_proxy::{HeaderCase, ProxyOptions, ServeOptions};
use gabion_testkit::{ProxyServer, RawConnection, RawServer};
use std::time::Duration;

use crate::support::{Setup, proxy_before};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const WEBSOCKET: &str = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Answers one request, so that its upstream connection is kept for the next.
async fn open_connection(backend: &RawServer) -> (ProxyServer, RawConnection, RawConnection) {
    let front = proxy_before(backend);
    let mut client = front.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (upstream, _) = backend.answer(OK).await;
    client.head().await;
    (front, client, upstream)
}

/// Sends `request` on a kept connection, which the server closes after sending `response`.
async fn close_after(request: &str, response: &str) -> (RawServer, ProxyServer, RawConnection) {
    let backend = RawServer::bind().await;
    let (front, mut client, mut upstream) = open_connection(&backend).await;
    client.send(request).await;
    upstream.until("\r\n\r\n").await;
    upstream.send(response).await;
    drop(upstream);
    (backend, front, client)
}

#[tokio::test]
async fn safe_request_is_retried_with_its_head() {
    for method in ["GET", "HEAD", "OPTIONS"] {
        let request = format!("{method} /a?b HTTP/1.1\r\nHost: a\r\nX-B: c\r\n\r\n");
        let (backend, _front, mut client) = close_after(&request, "").await;
        let (_upstream, head) = backend.answer(OK).await;
        let first = format!("{method} /a?b HTTP/1.1\r\n");
        assert!(head.starts_with(&first), "{head}");
        assert!(head.contains("x-b: c\r\n"), "{head}");
        assert!(client.head().await.starts_with("HTTP/1.1 200 "), "{method}");
    }
}

#[tokio::test]
async fn retried_request_keeps_the_case_of_its_names() {
    let backend = RawServer::bind().await;
    let setup = Setup {
        proxy: ProxyOptions::default().with_header_case(HeaderCase::AsReceived),
        serve: ServeOptions::default().with_header_case(HeaderCase::AsReceived),
        ..Setup::default()
    };
    let front = setup.before(&backend.url());
    let mut client = front.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (mut upstream, _) = backend.answer(OK).await;
    client.head().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nX-MiXed: c\r\n\r\n")
        .await;
    upstream.head().await;
    drop(upstream);
    let (_upstream, head) = backend.answer(OK).await;
    assert!(head.contains("\r\nX-MiXed: c\r\n"), "{head}");
}

#[tokio::test]
async fn handshake_is_retried() {
    let request = format!("GET /ws HTTP/1.1\r\nHost: a\r\n{WEBSOCKET}\r\n");
    let (backend, _front, mut client) = close_after(&request, "").await;
    let refusal = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    let (_upstream, head) = backend.answer(refusal).await;
    assert!(head.contains("sec-websocket-key: "), "{head}");
    assert!(client.head().await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn unsafe_request_and_request_with_a_body_are_not_retried() {
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
    ] {
        let (_backend, _front, mut client) = close_after(request, "").await;
        assert!(
            client.head().await.starts_with("HTTP/1.1 502 "),
            "{request}"
        );
    }
}

#[tokio::test]
async fn request_with_an_invalid_response_is_not_retried() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (_backend, _front, mut client) = close_after(request, "nonsense\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
}

#[tokio::test]
async fn request_is_retried_once() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (backend, _front, mut client) = close_after(request, "").await;
    drop(backend.answer("").await);
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
}

/// A request that crashes a server must not be sent to the next kept connection.
#[tokio::test]
async fn retry_uses_a_new_connection() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let [mut one, mut other] = [front.connect().await, front.connect().await];
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    one.send(request).await;
    let mut first = backend.accept().await;
    other.send(request).await;
    let mut second = backend.accept().await;
    for (client, upstream) in [(&mut one, &mut first), (&mut other, &mut second)] {
        upstream.head().await;
        upstream.send(OK).await;
        client.head().await;
    }
    one.send(request).await;
    second.head().await;
    drop(second);
    drop(backend.answer("").await);
    assert!(one.head().await.starts_with("HTTP/1.1 502 "));
    first.quiet(Duration::from_millis(100)).await;
}
