//! websocket-smuggle, first scenario (0ang3el, "What's wrong with WebSocket APIs", Hacktivity
//! 2019): the upstream refuses the version of a handshake, and a proxy that does not check the
//! response opens a tunnel.
//!
//! Only a 101 opens a tunnel, so bytes after a refused handshake do not reach the upstream.

use super::exchange::{ACCEPT, Exchange, HANDSHAKE, SMUGGLED, answers};

#[tokio::test]
async fn refusal_has_the_supported_version_and_ends_the_connection() {
    let exchange = Exchange::start().await;
    let request = HANDSHAKE.replace("Version: 13", "Version: 1337");
    let mut client = exchange.client(&format!("{request}{SMUGGLED}")).await;
    let answer = client.end().await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    for line in [
        "sec-websocket-version: 13",
        "upgrade: websocket",
        "connection: close, upgrade",
    ] {
        assert!(
            answer.contains(&format!("\r\n{line}\r\n")),
            "{line}: {answer}"
        );
    }
    assert_eq!(answers(&answer), 1, "{answer}");
    assert_eq!(exchange.rules(), ["upgrade/version"]);
    exchange.assert_untouched().await;
}

#[tokio::test]
async fn refusal_by_the_upstream_ends_the_connection() {
    let exchange = Exchange::observing().await;
    let request = HANDSHAKE.replace("Version: 13", "Version: 1337");
    let mut client = exchange.client(&format!("{request}{SMUGGLED}")).await;
    let refusal = "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\n\
                   content-length: 0\r\n\r\n";
    let (mut server, head) = exchange.answer(refusal).await;
    assert!(head.starts_with("GET /ws "), "{head}");
    let answer = client.end().await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert_eq!(answers(&answer), 1, "{answer}");
    assert_eq!(server.soon().await, "");
    exchange.assert_untouched_except(&mut server).await;
}

#[tokio::test]
async fn supported_version_opens() {
    let exchange = Exchange::without_frame_rules().await;
    let mut client = exchange.client(HANDSHAKE).await;
    let (mut server, _) = exchange.answer(ACCEPT).await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    client.send("ping").await;
    server.until("ping").await;
    assert!(exchange.rules().is_empty());
}
