//! CVE-2026-2833 (Pingora before 0.8.0): what a client sent after its handshake was passed on before
//! the server had said 101.
//!
//! Nothing goes to the server before its 101, and nothing at all where there is none.

use super::stage::{ACCEPT, ASK, OK, SMUGGLED, Stage, answers};

#[tokio::test]
async fn what_is_sent_ahead_waits_for_the_switch() {
    let stage = Stage::set().await;
    let mut client = stage.client(&format!("{ASK}early")).await;
    let mut server = stage.accept().await;
    server.head().await;
    client.send(" and later").await;
    assert_eq!(server.soon().await, "");
    server.send(ACCEPT).await;
    assert_eq!(server.until("later").await, "early and later");
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
}

#[tokio::test]
async fn what_is_sent_ahead_of_a_refusal_goes_nowhere() {
    let refusal = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    for answer in [refusal, OK, "HTTP/1.1 101 Switching Protocols\r\n\r\n"] {
        let stage = Stage::set().await;
        let mut client = stage.client(&format!("{ASK}{SMUGGLED}")).await;
        let mut server = stage.accept().await;
        server.head().await;
        assert_eq!(server.soon().await, "");
        server.send(answer).await;
        assert_eq!(answers(&client.end().await), 1, "{answer}");
        assert_eq!(server.soon().await, "", "{answer}");
        stage.is_untouched_but_for(&mut server).await;
    }
}
