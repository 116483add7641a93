//! h2c smuggling (Bishop Fox, 2020): a proxy passes on an offer of `h2c`, the server takes it, and what
//! follows is a tunnel in which nobody judges.
//!
//! The server is not told of the offer; where it switches all the same, that is 502.

use super::stage::{GET, OK, Stage};

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
async fn server_is_told_of_no_offer_and_switches_for_nobody() {
    for offer in offers() {
        let stage = Stage::set().await;
        let mut client = stage
            .client(&format!("GET / HTTP/1.1\r\nHost: a\r\n{offer}\r\n"))
            .await;
        let (mut server, head) = stage.answer(SWITCH).await;
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
async fn client_that_offers_is_answered_and_stays() {
    for offer in offers() {
        let stage = Stage::set().await;
        let mut client = stage
            .client(&format!("GET / HTTP/1.1\r\nHost: a\r\n{offer}\r\n"))
            .await;
        let (mut server, _) = stage.answer(OK).await;
        client.until("ok").await;
        client.send(GET).await;
        assert!(server.head().await.starts_with("GET /honest "));
        server.send(OK).await;
        client.until("ok").await;
        assert!(stage.rules().is_empty());
    }
}
