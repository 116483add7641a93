//! Streaming of bodies and trailers; an incomplete body is never ended cleanly.

use crate::support::proxy_before;
use gabion_testkit::RawServer;

const UPLOAD: &str = "POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";

#[tokio::test]
async fn response_is_streamed() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let begun = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close, x-hop\r\n\
                 x-hop: 1\r\nupgrade: h2,h2c\r\nkeep-alive: timeout=5\r\n\r\n5\r\nfirst\r\n";
    let (mut upstream, _) = backend.answer(begun).await;
    let seen = client.until("first").await;
    for gone in ["x-hop", "upgrade", "keep-alive", "connection: close"] {
        assert!(!seen.contains(gone), "{gone} in {seen}");
    }
    upstream.send("4\r\nlast\r\n0\r\n\r\n").await;
    client.until("last\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn upload_is_streamed() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    client.send(&format!("{UPLOAD}\r\n5\r\nfirst\r\n")).await;
    let mut upstream = backend.accept().await;
    upstream.until("first").await;
    upstream
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nseen\r\n")
        .await;
    client.until("seen").await;
    client.send("4\r\nlast\r\n0\r\n\r\n").await;
    upstream.until("last\r\n0\r\n\r\n").await;
    upstream.send("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn trailers_are_forwarded_in_both_directions() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    let request = "TE: trailers\r\nTrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: up\r\n\r\n";
    client.send(&format!("{UPLOAD}{request}")).await;
    let mut upstream = backend.accept().await;
    let head = upstream.head().await;
    assert!(head.contains("\r\nte: trailers\r\n"), "{head}");
    upstream.until("2\r\nhi\r\n0\r\nx-sum: up\r\n\r\n").await;
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
                  2\r\nho\r\n0\r\nx-sum: down\r\n\r\n";
    upstream.send(answer).await;
    client.until("2\r\nho\r\n0\r\nx-sum: down\r\n\r\n").await;
}

#[tokio::test]
async fn head_only_fields_are_removed_from_trailers() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    let lines = "content-length: 9\r\nhost: b\r\nauthorization: Basic eDp5\r\ncookie: a=1\r\n\
                 transfer-encoding: chunked\r\nx_forwarded_for: 6.6.6.6\r\n";
    let announced = "Trailer: x-sum, content-length, host, authorization, cookie, x_forwarded_for, \
                     transfer-encoding\r\n";
    client
        .send(&format!(
            "{UPLOAD}TE: trailers\r\n{announced}\r\n2\r\nhi\r\n0\r\n{lines}x-sum: up\r\n\r\n"
        ))
        .await;
    let mut upstream = backend.accept().await;
    let head = upstream.head().await;
    assert!(
        head.contains("\r\ntransfer-encoding: chunked\r\n"),
        "{head}"
    );
    assert_eq!(upstream.head().await, "2\r\nhi\r\n0\r\nx-sum: up\r\n\r\n");
    let answer = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{announced}\r\n\
         2\r\nho\r\n0\r\nset-cookie: a=1\r\n{lines}x-sum: down\r\n\r\n"
    );
    upstream.send(&answer).await;
    client.head().await;
    assert_eq!(client.head().await, "2\r\nho\r\n0\r\nx-sum: down\r\n\r\n");
}

#[tokio::test]
async fn broken_upload_is_not_ended_cleanly() {
    for breaks in ["0x4\r\nlast\r\n0\r\n\r\n", "zz\r\n"] {
        let backend = RawServer::bind().await;
        let front = proxy_before(&backend);
        let mut client = front.connect().await;
        client.send(&format!("{UPLOAD}\r\n5\r\nfirst\r\n")).await;
        let mut upstream = backend.accept().await;
        upstream.until("first\r\n").await;
        client.send(breaks).await;
        assert_eq!(upstream.end().await, "");
        assert!(
            client
                .head()
                .await
                .starts_with("HTTP/1.1 400 Bad Request\r\n")
        );
        let rest = client.end().await;
        assert!(!rest.contains("HTTP/1.1"), "{rest}");
    }
}

#[tokio::test]
async fn upload_of_a_disconnected_client_is_not_ended_cleanly() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    client.send(&format!("{UPLOAD}\r\n5\r\nfirst\r\n")).await;
    let mut upstream = backend.accept().await;
    upstream.until("first\r\n").await;
    drop(client);
    assert_eq!(upstream.end().await, "");
}

#[tokio::test]
async fn upload_shorter_than_its_length_is_not_ended_cleanly() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    client
        .send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nfirst")
        .await;
    client.half_close().await;
    let mut upstream = backend.accept().await;
    upstream.until("first").await;
    assert_eq!(upstream.end().await, "");
    let answer = client.end().await;
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn upload_broken_during_its_response_ends_both() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    client.send(&format!("{UPLOAD}\r\n5\r\nfirst\r\n")).await;
    let mut upstream = backend.accept().await;
    upstream.until("first\r\n").await;
    upstream
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nseen\r\n")
        .await;
    client.until("seen\r\n").await;
    client.send("zz\r\n").await;
    assert_eq!(upstream.end().await, "");
    assert_eq!(
        client.end().await,
        "",
        "the response ended as if it were complete"
    );
}

#[tokio::test]
async fn exchange_ends_when_the_client_disconnects() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut upstream = backend.accept().await;
    upstream.head().await;
    drop(client);
    assert_eq!(upstream.end().await, "");
}

#[tokio::test]
async fn truncated_response_is_not_ended_cleanly() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let begun = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    let (upstream, _) = backend.answer(begun).await;
    client.until("first\r\n").await;
    drop(upstream);
    assert_eq!(client.end().await, "");
}

#[tokio::test]
async fn head_response_keeps_its_length() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    backend
        .answer("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n")
        .await;
    let head = client.head().await;
    assert!(head.contains("\r\ncontent-length: 7\r\n"), "{head}");
}

#[tokio::test]
async fn http10_response_keeps_the_client_connection() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    for body in ["one", "two"] {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        drop(
            backend
                .answer(&format!("HTTP/1.0 200 OK\r\n\r\n{body}"))
                .await,
        );
        let seen = client.until(body).await;
        assert!(seen.starts_with("HTTP/1.1 200 OK\r\n"), "{seen}");
        client.until("0\r\n\r\n").await;
    }
}
