//! Requests while every upstream refuses connections.

use std::time::Duration;

use gabion_proxy::{StartWait, UpstreamOptions};
use gabion_testkit::RawServer;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};

use super::{closed_port, get, serve_http1};
use crate::support::{Setup, group, proxy_before};

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";

#[tokio::test]
async fn safe_request_waits_for_the_start() {
    let addr = closed_port().await;
    let front = Setup::default().before(&format!("http://{addr}"));
    let starting = async {
        sleep(Duration::from_millis(400)).await;
        let listener = TcpListener::bind(addr).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(serve_http1(stream, "started".to_owned()));
    };
    let (body, ()) = tokio::join!(get(&front), starting);
    assert_eq!(body, "HTTP/1.1 localhost started");
}

#[tokio::test]
async fn unsafe_request_gets_503_at_once() {
    let front = proxy_before(&RawServer::bind().await);
    for request in [
        POST,
        "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
    ] {
        let began = Instant::now();
        let mut client = front.connect().await;
        client.send(request).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(head.contains("\r\nretry-after: 1\r\n"), "{head}");
        assert!(began.elapsed() < Duration::from_secs(1), "it waited");
    }
}

#[tokio::test]
async fn only_so_many_requests_wait() {
    let url = format!("http://{}", closed_port().await);
    let wait = StartWait::default()
        .with_time(Duration::from_secs(1))
        .with_max_requests(2);
    let options = UpstreamOptions::default().with_start_wait(wait);
    let front = Setup::default().before_group(group(&[&url], &options));
    let status = async || {
        let began = Instant::now();
        let response = front.connect().await.get("/", "").await.unwrap();
        assert_eq!(response.status, 503);
        began.elapsed() > Duration::from_millis(700)
    };
    let (one, two, three, four) = tokio::join!(status(), status(), status(), status());
    let waited = [one, two, three, four]
        .into_iter()
        .filter(|&waited| waited)
        .count();
    assert_eq!(waited, 2);
    // The places of those that gave up are free again.
    assert!(status().await);
}

/// A server that is there and misbehaves is a bad gateway.
#[tokio::test]
async fn closed_connection_is_still_502() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    client.send(POST).await;
    drop(backend.accept().await);
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
}
