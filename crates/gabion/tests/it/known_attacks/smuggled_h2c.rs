//! h2c smuggling (Bishop Fox, 2020): a proxy forwards an offer of `h2c`, the upstream accepts it,
//! and the rest of the connection is a tunnel without inspection.
//!
//! The upstream does not receive the offer. If it switches anyway, the response is 502.

use super::exchange::{Exchange, GET, OK};

const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";

fn offers() -> [String; 4] {
    let settings = "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    [
        format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n{settings}"),
        format!("Connection: upgrade\r\nUpgrade: H2C\r\n{settings}"),
        format!("Upgrade: h2c\r\n{settings}"),
        format!("Connection: HTTP2-Settings\r\n{settings}"),
    ]
}

#[tokio::test]
async fn offer_is_removed_and_a_switch_is_502() {
    for offer in offers() {
        let exchange = Exchange::start().await;
        let mut client = exchange
            .client(&format!("GET / HTTP/1.1\r\nHost: a\r\n{offer}\r\n"))
            .await;
        let (mut server, head) = exchange.answer(SWITCH).await;
        let head = head.to_ascii_lowercase();
        for word in ["upgrade", "h2c", "http2-settings", "connection"] {
            assert!(!head.contains(word), "{word} in {head}");
        }
        assert!(client.head().await.starts_with("HTTP/1.1 502 "), "{offer}");
        client.send(PREFACE).await;
        assert_eq!(server.end().await, "", "{offer}");
    }
}

#[tokio::test]
async fn client_with_an_offer_is_answered_over_http1() {
    for offer in offers() {
        let exchange = Exchange::start().await;
        let mut client = exchange
            .client(&format!("GET / HTTP/1.1\r\nHost: a\r\n{offer}\r\n"))
            .await;
        let (mut server, _) = exchange.answer(OK).await;
        client.until("ok").await;
        client.send(GET).await;
        assert!(server.head().await.starts_with("GET /honest "));
        server.send(OK).await;
        client.until("ok").await;
        assert!(exchange.rules().is_empty());
    }
}
