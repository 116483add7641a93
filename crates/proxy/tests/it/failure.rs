//! Upstream failures: status codes, response texts and log lines.

use gabion_testkit::RawServer;
use std::time::Duration;

use gabion_proxy::{ProxyOptions, StartWait, UpstreamGroup, UpstreamOptions};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout},
};

use crate::support::{Setup, group, logged, proxy_before};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn with_short_timeout() -> Setup {
    Setup {
        proxy: ProxyOptions::default().with_head_timeout(Duration::from_millis(200)),
        ..Setup::default()
    }
}

/// A group of `url` whose requests wait at most so long for it to start.
fn with_start_wait(url: &str, time: Duration) -> UpstreamGroup {
    let wait = StartWait::default().with_time(time);
    group(&[url], &UpstreamOptions::default().with_start_wait(wait))
}

#[tokio::test]
async fn refused_connection_is_503_after_the_wait_for_a_start() {
    let backend = RawServer::bind().await;
    let group = with_start_wait(&backend.url(), Duration::from_millis(300));
    let front = Setup::default().before_group(group);
    drop(backend);
    let mut client = front.connect().await;
    let began = Instant::now();
    client.send(GET).await;
    let answer = client.until("may be starting\n").await;
    assert!(began.elapsed() >= Duration::from_millis(200), "no wait");
    assert!(
        answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
        "{answer}"
    );
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    assert!(
        answer.ends_with("503 Service Unavailable: the upstream does not accept connections; it may be starting\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn failure_is_logged_on_one_line_with_every_source() {
    let backend = RawServer::bind().await;
    let url = backend.url();
    let front = Setup::default().before_group(with_start_wait(&url, Duration::ZERO));
    drop(backend);
    let mut client = front.connect().await;
    client.send("GET /\"\\?a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.until("may be starting\n").await;
    let logged = logged(&url);
    assert_eq!(logged.lines().count(), 1, "{logged}");
    for part in [
        "WARN gabion: answered 503 by the proxy client=127.0.0.1 status=503 upstream=\"http://",
        "error=\"the upstream does not accept connections; it may be starting: ",
        "Connection refused",
        r#"method="GET" target="/\\x22\\x5c?…""#,
    ] {
        assert!(logged.contains(part), "no {part} in {logged}");
    }
}

#[tokio::test]
async fn unknown_name_is_502() {
    let front = Setup::default().before("http://no-such-host.invalid:80");
    let mut client = front.connect().await;
    client.send(GET).await;
    assert!(
        client
            .head()
            .await
            .starts_with("HTTP/1.1 502 Bad Gateway\r\n")
    );
}

#[tokio::test]
async fn forbidden_upstream_address_is_502() {
    // Without network: the system's resolver reads this number as 224.0.0.1.
    let url = "http://3758096385:80";
    let front = Setup::default().before(url);
    let mut client = front.connect().await;
    client.send(GET).await;
    let answer = client.until("forbidden addresses\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
        "{answer}"
    );
    let logged = logged(url);
    assert!(
        logged.contains("224.0.0.1 is not allowed as an upstream: "),
        "{logged}"
    );
}

#[tokio::test]
async fn broken_response_is_502() {
    for answer in ["", "HTTP/1.1 20", "nonsense\r\n\r\n"] {
        let backend = RawServer::bind().await;
        let front = proxy_before(&backend);
        let mut client = front.connect().await;
        client.send(GET).await;
        drop(backend.answer(answer).await);
        assert!(
            client
                .head()
                .await
                .starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn connection_not_accepted_in_time_is_504() {
    // The system ignores connections beyond the listener's queue.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(200), TcpStream::connect(addr)).await {
        queue.push(connected.unwrap());
    }
    let setup = Setup {
        proxy: ProxyOptions::default().with_connect_timeout(Duration::from_millis(200)),
        ..Setup::default()
    };
    let front = setup.before(&format!("http://{addr}"));
    let mut client = front.connect().await;
    client.send(GET).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
}

#[tokio::test]
async fn silent_upstream_is_504() {
    let backend = RawServer::bind().await;
    let front = with_short_timeout().before(&backend.url());
    let mut client = front.connect().await;
    client.send(GET).await;
    let (mut upstream, _) = backend.answer("").await;
    assert!(
        client
            .head()
            .await
            .starts_with("HTTP/1.1 504 Gateway Timeout\r\n")
    );
    assert_eq!(upstream.end().await, "", "the exchange was not ended");
}

#[tokio::test]
async fn slow_upload_does_not_time_out() {
    let backend = RawServer::bind().await;
    let front = with_short_timeout().before(&backend.url());
    let mut client = front.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n")
        .await;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.send("x").await;
    }
    let (_, _) = backend
        .answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn stalled_upload_is_408() {
    let backend = RawServer::bind().await;
    let front = with_short_timeout().before(&backend.url());
    let mut client = front.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nx")
        .await;
    let (_upstream, _) = backend.answer("").await;
    assert!(
        client
            .head()
            .await
            .starts_with("HTTP/1.1 408 Request Timeout\r\n")
    );
}

#[tokio::test]
async fn slow_body_after_the_head_is_not_timed() {
    let backend = RawServer::bind().await;
    let front = with_short_timeout().before(&backend.url());
    let mut client = front.connect().await;
    client.send(GET).await;
    let (mut upstream, _) = backend
        .answer("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n")
        .await;
    client.head().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    upstream.send("late").await;
    client.until("late").await;
}

#[tokio::test]
async fn unrequested_101_is_502() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    client.send(GET).await;
    let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                  upgrade: websocket\r\n\r\n";
    let (mut upstream, _) = backend.answer(switch).await;
    assert!(
        client
            .head()
            .await
            .starts_with("HTTP/1.1 502 Bad Gateway\r\n")
    );
    assert_eq!(upstream.end().await, "", "the connection is still in use");
}

#[tokio::test]
async fn informational_responses_are_not_forwarded() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    client.send(GET).await;
    let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n\
                 HTTP/1.1 199 Odd\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    backend.answer(early).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(!head.contains("link"), "{head}");
}
