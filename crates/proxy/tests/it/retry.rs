//! A server that restarts closes the connections that are idle. A request that meets the end of one is
//! sent again, where that is safe.

use std::time::Duration;

use crate::support::{Backend, Front, Wire};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const WEBSOCKET: &str = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A connection to the server that is kept, by whose second request `ask` will be sent on.
async fn kept(backend: &Backend) -> (Front, Wire, Wire) {
    let front = Front::before(backend);
    let mut client = front.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (upstream, _) = backend.answer(OK).await;
    client.head().await;
    (front, client, upstream)
}

/// Has a server end a kept connection when it has read this and said that.
async fn end_after(ask: &str, said: &str) -> (Backend, Front, Wire) {
    let backend = Backend::bind().await;
    let (front, mut client, mut upstream) = kept(&backend).await;
    client.send(ask).await;
    upstream.until("\r\n\r\n").await;
    upstream.send(said).await;
    drop(upstream);
    (backend, front, client)
}

#[tokio::test]
async fn safe_request_is_sent_again_whole() {
    for method in ["GET", "HEAD", "OPTIONS"] {
        let ask = format!("{method} /a?b HTTP/1.1\r\nHost: a\r\nX-B: c\r\n\r\n");
        let (backend, _front, mut client) = end_after(&ask, "").await;
        let (_upstream, head) = backend.answer(OK).await;
        let first = format!("{method} /a?b HTTP/1.1\r\n");
        assert!(head.starts_with(&first), "{head}");
        assert!(head.contains("x-b: c\r\n"), "{head}");
        assert!(client.head().await.starts_with("HTTP/1.1 200 "), "{method}");
    }
}

#[tokio::test]
async fn handshake_is_sent_again() {
    let ask = format!("GET /ws HTTP/1.1\r\nHost: a\r\n{WEBSOCKET}\r\n");
    let (backend, _front, mut client) = end_after(&ask, "").await;
    let refusal = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    let (_upstream, head) = backend.answer(refusal).await;
    assert!(head.contains("sec-websocket-key: "), "{head}");
    assert!(client.head().await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn request_that_may_change_something_or_has_a_body_is_not() {
    for ask in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
    ] {
        let (_backend, _front, mut client) = end_after(ask, "").await;
        assert!(client.head().await.starts_with("HTTP/1.1 502 "), "{ask}");
    }
}

#[tokio::test]
async fn request_whose_answer_was_nonsense_is_not() {
    let ask = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (_backend, _front, mut client) = end_after(ask, "nonsense\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
}

#[tokio::test]
async fn request_that_ends_a_new_connection_is_not_sent_a_third_time() {
    let ask = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (backend, _front, mut client) = end_after(ask, "").await;
    drop(backend.answer("").await);
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
}

/// One that brings down whoever reads it shall not go from one to the next.
#[tokio::test]
async fn request_is_sent_again_over_a_new_connection_only() {
    let backend = Backend::bind().await;
    let front = Front::before(&backend);
    let [mut one, mut other] = [front.connect().await, front.connect().await];
    let ask = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    one.send(ask).await;
    let mut first = backend.accept().await;
    other.send(ask).await;
    let mut second = backend.accept().await;
    for (client, upstream) in [(&mut one, &mut first), (&mut other, &mut second)] {
        upstream.head().await;
        upstream.send(OK).await;
        client.head().await;
    }
    one.send(ask).await;
    second.head().await;
    drop(second);
    drop(backend.answer("").await);
    assert!(one.head().await.starts_with("HTTP/1.1 502 "));
    first.quiet(Duration::from_millis(100)).await;
}
