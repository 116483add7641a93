//! Hop-by-hop abuse (Davison, "Abusing HTTP hop-by-hop request headers", 2020): `Connection` names
//! a header that the upstream relies on, and the proxy drops it.
//!
//! Headers with the client's identity, host and target reach the upstream regardless of
//! `Connection`.

use super::exchange::{Exchange, OK};

/// The headers that a trusted balancer sends for its client.
const KEPT: [&str; 10] = [
    "authorization: Basic eDp5",
    "content-type: text/plain",
    "cookie: a=1",
    "forwarded: for=203.0.113.9",
    "host: a",
    "origin: http://a",
    "x-forwarded-for: 203.0.113.9, 127.0.0.1",
    "x-forwarded-host: a",
    "x-forwarded-proto: https",
    "x-real-ip: 203.0.113.9",
];

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic eDp5\r\n\
    Content-Type: text/plain\r\nCookie: a=1\r\nForwarded: for=203.0.113.9\r\nOrigin: http://a\r\n\
    X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Host: a\r\nX-Forwarded-Proto: https\r\n\
    X-Real-IP: 203.0.113.9\r\nX-Hop: 1\r\n";

const TRUSTING: &str = "version = 1\n[client]\ntrusted_proxies = ['127.0.0.0/8']\n\
    trusted_headers = ['forwarded', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip']\n";

async fn seen(policy: &str, connection: &str) -> String {
    let exchange = Exchange::with_policy(policy).await;
    let mut client = exchange
        .client(&format!("{REQUEST}Connection: {connection}\r\n\r\n"))
        .await;
    let (_server, head) = exchange.answer(OK).await;
    client.until("ok").await;
    head
}

#[tokio::test]
async fn nominated_headers_arrive() {
    let names = KEPT.map(|line| line.split(':').next().unwrap());
    for connection in names.into_iter().chain([&*names.join(", ")]) {
        let head = seen(TRUSTING, connection).await;
        for line in KEPT {
            assert_eq!(
                head.matches(&format!("\r\n{line}\r\n")).count(),
                1,
                "{line}: {head}"
            );
        }
    }
}

#[tokio::test]
async fn untrusted_client_cannot_hide_its_address() {
    let head = seen("version = 1\n", "close, X-Forwarded-For, X-Real-IP").await;
    assert!(
        head.contains("\r\nx-forwarded-for: 127.0.0.1\r\n"),
        "{head}"
    );
    assert!(!head.contains("203.0.113.9"), "{head}");
}

#[tokio::test]
async fn hop_by_hop_header_is_dropped() {
    let head = seen(TRUSTING, "X-Hop, keep-alive").await;
    assert!(!head.contains("x-hop"), "{head}");
}
