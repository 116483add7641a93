//! The request head that the upstream gets.

use gabion_core::{Claim, ClientRules, PeerAddr};
use gabion_testkit::RawServer;
use http::Request;
use hyper::body::Incoming;

use crate::support::{Setup, proxy_before};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Sends `request` through a proxy and returns the head that the backend gets.
async fn forwarded_head(setup: Setup, request: &str) -> String {
    let backend = RawServer::bind().await;
    let front = setup.before(&backend.url());
    let mut client = front.connect().await;
    client.send(request).await;
    let (_, head) = backend.answer(OK).await;
    assert!(client.until("ok").await.starts_with("HTTP/1.1 200 OK\r\n"));
    head
}

/// Sends `request`, which must not be forwarded, and returns the status line.
async fn rejected_status(setup: Setup, request: &str) -> String {
    let backend = RawServer::bind().await;
    let front = setup.before(&backend.url());
    let mut client = front.connect().await;
    client.send(request).await;
    let head = client.head().await;
    let mut next = front.connect().await;
    next.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (_, first) = backend.answer(OK).await;
    assert!(first.starts_with("GET /next "), "the backend got: {first}");
    head.lines().next().unwrap().to_owned()
}

fn lines<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let of = |line: &'h str| line.split_once(": ").filter(|(key, _)| *key == name);
    head.lines()
        .filter_map(of)
        .map(|(_, value)| value)
        .collect()
}

fn trusting_loopback() -> ClientRules {
    ClientRules::default()
        .with_trusted(["127.0.0.0/8".parse().unwrap()])
        .unwrap()
}

fn trust_loopback(request: &mut Request<Incoming>) {
    resolve(request, &trusting_loopback());
}

fn trust_no_proxy(request: &mut Request<Incoming>) {
    resolve(request, &ClientRules::default());
}

fn resolve(request: &mut Request<Incoming>, rules: &ClientRules) {
    let peer = *request.extensions().get::<PeerAddr>().unwrap();
    let client = rules.resolve(peer, request.headers());
    request.extensions_mut().insert(client);
}

#[tokio::test]
async fn target_and_host_are_unchanged() {
    let target = "/a/../b//%2e%2E/;v=1\\?q=%00&r=a+b";
    let head = forwarded_head(
        Setup::default(),
        &format!("GET {target} HTTP/1.1\r\nHost: Shop.example:81\r\n\r\n"),
    )
    .await;
    assert!(
        head.starts_with(&format!("GET {target} HTTP/1.1\r\n")),
        "{head}"
    );
    assert_eq!(lines(&head, "host"), ["Shop.example:81"]);
    assert_eq!(lines(&head, "x-forwarded-host"), ["Shop.example:81"]);
}

#[tokio::test]
async fn authority_does_not_select_the_upstream() {
    let elsewhere = RawServer::bind().await;
    let target = format!("http://me@{}/x", elsewhere.addr());
    let head = forwarded_head(
        Setup::default(),
        &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
    )
    .await;
    assert!(head.starts_with("GET /x HTTP/1.1\r\n"), "{head}");
    assert_eq!(lines(&head, "host"), [elsewhere.addr().to_string()]);

    let connect = format!("CONNECT {} HTTP/1.1\r\nHost: a\r\n\r\n", elsewhere.addr());
    let line = rejected_status(Setup::default(), &connect).await;
    assert_eq!(line, "HTTP/1.1 501 Not Implemented");
}

#[tokio::test]
async fn hop_by_hop_headers_are_removed() {
    let head = forwarded_head(
        Setup::default(),
        "GET / HTTP/1.1\r\nHost: a\r\n\
         Connection: keep-alive, x-hop, Host, Authorization, Cookie, X-Forwarded-For, upgrade, te\r\n\
         Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nX-Hop: 1\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nTE: gzip, trailers\r\n\
         Proxy-Authorization: Basic eDp5\r\nAuthorization: Basic eDp5\r\nCookie: a=1\r\nX-End: 1\r\n\r\n",
    )
    .await;
    for gone in [
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "upgrade",
        "x-hop",
    ] {
        assert!(lines(&head, gone).is_empty(), "{gone} in {head}");
    }
    for kept in [
        "host",
        "authorization",
        "cookie",
        "x-end",
        "x-forwarded-for",
    ] {
        assert_eq!(lines(&head, kept).len(), 1, "{kept} in {head}");
    }
    assert_eq!(lines(&head, "te"), ["trailers"]);
}

const SENDER_HEADERS: &str = "GET / HTTP/1.1\r\nHost: a\r\n\
    X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.9\r\n\
    X_Forwarded_For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n\
    Forwarded: for=203.0.113.9\r\nX-Real-IP: 203.0.113.9\r\n\r\n";

#[tokio::test]
async fn sender_headers_of_an_untrusted_peer_are_removed() {
    for tweak in [trust_no_proxy, |_: &mut Request<Incoming>| {}] {
        let setup = Setup {
            tweak,
            ..Setup::default()
        };
        let head = forwarded_head(setup, SENDER_HEADERS).await;
        assert_eq!(lines(&head, "x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(lines(&head, "x-forwarded-proto"), ["http"]);
        assert_eq!(lines(&head, "x-forwarded-host"), ["a"]);
        for name in [
            "forwarded",
            "x-forwarded-port",
            "x-real-ip",
            "x_forwarded_for",
        ] {
            assert!(lines(&head, name).is_empty(), "{name} in {head}");
        }
    }
}

#[tokio::test]
async fn sender_headers_of_a_trusted_peer_are_extended() {
    let setup = Setup {
        tweak: |request| {
            let rules = trusting_loopback();
            let listed = Claim::USUAL.with(Claim::Forwarded).with(Claim::XRealIp);
            resolve(request, &rules.with_trusted_headers(listed.iter()));
        },
        ..Setup::default()
    };
    let head = forwarded_head(setup, SENDER_HEADERS).await;
    assert_eq!(
        lines(&head, "x-forwarded-for"),
        ["6.6.6.6, 203.0.113.9, 127.0.0.1"]
    );
    assert_eq!(lines(&head, "x-forwarded-proto"), ["https"]);
    assert_eq!(lines(&head, "x-forwarded-port"), ["443"]);
    assert_eq!(lines(&head, "forwarded"), ["for=203.0.113.9"]);
    assert_eq!(lines(&head, "x-real-ip"), ["203.0.113.9"]);
    assert!(lines(&head, "x_forwarded_for").is_empty());
}

#[tokio::test]
async fn sender_headers_that_a_trusted_peer_may_pass_on_are_removed() {
    let setup = Setup {
        tweak: trust_loopback,
        ..Setup::default()
    };
    let head = forwarded_head(setup, SENDER_HEADERS).await;
    assert_eq!(lines(&head, "x-forwarded-proto"), ["https"]);
    assert_eq!(lines(&head, "x-forwarded-port"), ["443"]);
    for name in ["forwarded", "x-real-ip", "x_forwarded_for"] {
        assert!(lines(&head, name).is_empty(), "{name}: {head}");
    }
}

#[tokio::test]
async fn framing_follows_the_body() {
    for (request, name, value) in [
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 02\r\n\r\nhi",
            "content-length",
            "2",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            "content-length",
            "0",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            "transfer-encoding",
            "chunked",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nhi\r\n0\r\n\r\n",
            "transfer-encoding",
            "chunked",
        ),
    ] {
        let head = forwarded_head(Setup::default(), request).await;
        assert_eq!(lines(&head, name), [value], "{head}");
        let both = lines(&head, "content-length").len() + lines(&head, "transfer-encoding").len();
        assert_eq!(both, 1, "{head}");
    }
    let head = forwarded_head(Setup::default(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(
        !head.contains("content-length") && !head.contains("transfer-encoding"),
        "{head}"
    );
}

#[tokio::test]
async fn expect_header_is_answered_by_the_proxy() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    client.send(head).await;
    let mut upstream = backend.accept().await;
    let head = upstream.head().await;
    assert!(lines(&head, "expect").is_empty(), "{head}");
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hi").await;
    upstream.until("hi").await;
}

#[tokio::test]
async fn invalid_request_is_not_forwarded() {
    let two = "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    assert_eq!(
        rejected_status(Setup::default(), two).await,
        "HTTP/1.1 400 Bad Request"
    );
    let no_path = "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(
        rejected_status(Setup::default(), no_path).await,
        "HTTP/1.1 400 Bad Request"
    );
}

#[tokio::test]
async fn oversized_head_is_431() {
    let many = "X-A: 1\r\n".repeat(100);
    let long = format!("X-A: {}\r\n", "a".repeat(256 * 1024));
    for headers in [long, many] {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        let line = rejected_status(Setup::default(), &head).await;
        assert_eq!(line, "HTTP/1.1 431 Request Header Fields Too Large");
    }
}

#[tokio::test]
async fn missing_peer_address_is_500() {
    fn remove_peer(request: &mut Request<Incoming>) {
        if request.uri() != "/next" {
            request.extensions_mut().remove::<PeerAddr>();
        }
    }
    let setup = Setup {
        tweak: remove_peer,
        ..Setup::default()
    };
    let line = rejected_status(setup, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(line, "HTTP/1.1 500 Internal Server Error");
}
