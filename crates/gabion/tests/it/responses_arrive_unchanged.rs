//! A response arrives as its server framed it, or is refused with the reason. It is never cut short, and
//! its headers are those of the server.

use bytes::Bytes;
use gabion::Guard;
use gabion_proxy::Protocols;
use gabion_testkit::{Http2Client, RawConnection, RawServer};
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;

use crate::support::guarded_proxy::GuardedProxy;

/// A server that a test answers by hand, behind a guard.
struct Setup {
    proxy: GuardedProxy,
    server: RawServer,
}

/// What a client receives.
#[derive(Debug)]
struct Received {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

// === impl Setup ===

impl Setup {
    async fn start() -> Self {
        let server = RawServer::bind().await;
        let guard = Guard::from_policy("version = 1").unwrap();
        let protocols = Protocols::Http1AndPriorKnowledge;
        let proxy = GuardedProxy::with_protocols(protocols, &server.url(), guard);
        Self { proxy, server }
    }

    /// Answers one request with `response`, and closes the connection.
    async fn answer(&self, response: &str) {
        let (mut connection, _) = self.server.answer(response).await;
        connection.half_close().await;
    }

    /// The response to a request of an HTTP/1.1 client, followed by a second one on its connection.
    async fn http1(&self, method: &str, response: &str) -> Received {
        let mut client: RawConnection = self.proxy.connect().await;
        let request = format!("{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.send(&request).await;
        let (received, ()) = tokio::join!(client.response(method), self.answer(response));
        let received = received.unwrap();
        client.send(&request).await;
        let second = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond";
        let (next, ()) = tokio::join!(client.response(method), self.answer(second));
        let next = next.expect("the connection is in step").body;
        let expected: &[u8] = if method == "HEAD" { b"" } else { b"second" };
        assert_eq!(next, expected, "{response:?}");
        Received {
            status: received.status.as_u16(),
            headers: received.headers,
            body: received.body.into(),
        }
    }

    /// The response to a request of an HTTP/2 client.
    async fn http2(&self, method: &str, response: &str) -> Received {
        let mut client = Http2Client::connect(self.proxy.addr()).await;
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let sending = client.send(method, "/", &[]);
        let (received, ()) = tokio::join!(sending, self.answer(response));
        let (head, body) = received.into_parts();
        Received {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    async fn both(&self, method: &str, response: &str) -> [Received; 2] {
        [
            self.http1(method, response).await,
            self.http2(method, response).await,
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn length_beside_a_transfer_coding_is_dropped() {
    let setup = Setup::start().await;
    let chunks = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    for headers in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
        "content-length: 0\r\ntransfer-encoding: chunked",
        "content-length: 100\r\ntransfer-encoding: Chunked",
        "content-length: 11\r\ntransfer-encoding: identity, chunked",
        "content-length: 5\r\ncontent-length: 6\r\ntransfer-encoding: chunked",
        "content-length: many\r\ntransfer-encoding: chunked",
    ] {
        let response = format!("HTTP/1.1 200 OK\r\nx-end: 1\r\n{headers}\r\n\r\n{chunks}");
        for received in setup.both("GET", &response).await {
            assert_eq!(received.body, "hello world", "{headers}: {received:?}");
            assert!(
                !received.headers.contains_key("content-length"),
                "{headers}"
            );
            assert_eq!(received.headers["x-end"], "1");
        }
        let response = format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n");
        for received in setup.both("HEAD", &response).await {
            assert_eq!((received.status, &received.body[..]), (200, &b""[..]));
        }
    }
}

/// Some HTTP/2 clients refuse a repeated length.
#[tokio::test(flavor = "multi_thread")]
async fn repeated_length_arrives_once() {
    let setup = Setup::start().await;
    for lengths in [
        "content-length: 11",
        "content-length: 11\r\ncontent-length: 11",
        "content-length: 11, 11",
        "content-length: 11,11\r\ncontent-length: 11",
    ] {
        let response = format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\nhello world");
        for received in setup.both("GET", &response).await {
            let lengths = received.headers.get_all("content-length").iter();
            let lengths: Vec<_> = lengths.map(|length| length.to_str().unwrap()).collect();
            assert_eq!(
                (&*lengths, &received.body[..]),
                (&["11"][..], &b"hello world"[..])
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn body_until_the_end_of_the_connection_arrives_whole() {
    let setup = Setup::start().await;
    for headers in [
        "x-end: 1",
        "transfer-encoding: identity\r\ncontent-length: 2",
    ] {
        let response = format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\nhello world");
        for received in setup.both("GET", &response).await {
            assert_eq!(received.body, "hello world", "{headers}: {received:?}");
        }
    }
}

/// hyper cannot send informational responses, and drops them.
#[tokio::test(flavor = "multi_thread")]
async fn response_after_informational_ones_arrives() {
    let setup = Setup::start().await;
    let response = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n\
                    HTTP/1.1 200 OK\r\nx-end: 1\r\ncontent-length: 2\r\n\r\nok";
    for received in setup.both("GET", response).await {
        assert_eq!((received.status, &received.body[..]), (200, &b"ok"[..]));
        assert_eq!(received.headers["x-end"], "1");
        assert!(!received.headers.contains_key("link"), "{received:?}");
    }
}

/// Without its name, the client would take the coded bytes for the content.
#[tokio::test(flavor = "multi_thread")]
async fn unknown_transfer_coding_is_refused_with_its_name() {
    let setup = Setup::start().await;
    for coding in ["gzip, chunked", "gzip", "chunked, chunked", "xchunked"] {
        let response = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {coding}\r\n\r\n0\r\n\r\n");
        for received in setup.both("GET", &response).await {
            assert_eq!(received.status, 502, "{coding}");
            let text = String::from_utf8_lossy(&received.body).into_owned();
            assert!(text.contains("transfer coding \""), "{coding}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn response_head_of_the_limit_arrives_and_a_larger_one_is_refused_by_name() {
    let setup = Setup::start().await;
    let response = |count: usize| {
        let lines: Vec<_> = (1..count).map(|n| format!("x-{n}: {n}\r\n")).collect();
        let lines = lines.concat();
        format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{lines}\r\nok")
    };
    for received in setup.both("GET", &response(100)).await {
        assert_eq!((received.status, &received.body[..]), (200, &b"ok"[..]));
        for n in 1..100 {
            assert_eq!(received.headers[format!("x-{n}")], n.to_string());
        }
    }
    let large = response(2).replace("x-1: 1", &format!("x-1: {}", "1".repeat(1 << 20)));
    for response in [response(101), large] {
        for received in setup.both("GET", &response).await {
            assert_eq!(received.status, 502);
            let text = String::from_utf8_lossy(&received.body).into_owned();
            assert!(text.contains("more than 100 headers"), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrade_that_a_426_requires_is_kept() {
    let setup = Setup::start().await;
    let response = "HTTP/1.1 426 Upgrade Required\r\nconnection: x-hop, Upgrade\r\nx-hop: 1\r\n\
                    upgrade: TLS/1.3, websocket\r\ncontent-length: 4\r\n\r\nhint";
    let [http1, http2] = setup.both("GET", response).await;
    assert_eq!(http1.headers["upgrade"], "TLS/1.3, websocket");
    assert_eq!(http1.headers["connection"], "upgrade");
    for (received, upgrades) in [(http1, 1), (http2, 0)] {
        assert_eq!((received.status, &received.body[..]), (426, &b"hint"[..]));
        assert!(!received.headers.contains_key("x-hop"));
        let lines = received.headers.get_all("upgrade").iter().count();
        assert_eq!(lines, upgrades, "HTTP/2 has no Upgrade (RFC 9113, 8.2.2)");
    }
    let other = response.replace("426 Upgrade Required", "200 OK");
    for received in setup.both("GET", &other).await {
        assert!(!received.headers.contains_key("upgrade"), "{received:?}");
    }
}
