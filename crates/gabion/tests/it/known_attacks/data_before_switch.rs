//! CVE-2026-2833 (Pingora before 0.8.0): bytes after a handshake were forwarded before the upstream
//! answered 101.
//!
//! The guard forwards nothing before the 101, and nothing at all without one.

use super::exchange::{ACCEPT, Exchange, HANDSHAKE, OK, SMUGGLED, answers};

#[tokio::test]
async fn early_data_waits_for_the_switch() {
    let exchange = Exchange::without_frame_rules().await;
    let mut client = exchange.client(&format!("{HANDSHAKE}early")).await;
    let mut server = exchange.accept().await;
    server.head().await;
    client.send(" and later").await;
    assert_eq!(server.soon().await, "");
    server.send(ACCEPT).await;
    assert_eq!(server.until("later").await, "early and later");
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
}

#[tokio::test]
async fn early_data_is_discarded_after_a_refusal() {
    let refusal = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    for answer in [refusal, OK, "HTTP/1.1 101 Switching Protocols\r\n\r\n"] {
        let exchange = Exchange::start().await;
        let mut client = exchange.client(&format!("{HANDSHAKE}{SMUGGLED}")).await;
        let mut server = exchange.accept().await;
        server.head().await;
        assert_eq!(server.soon().await, "");
        server.send(answer).await;
        assert_eq!(answers(&client.end().await), 1, "{answer}");
        assert_eq!(server.soon().await, "", "{answer}");
        exchange.assert_untouched_except(&mut server).await;
    }
}
