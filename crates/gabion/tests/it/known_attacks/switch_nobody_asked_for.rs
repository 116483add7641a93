//! websocket-smuggle, second scenario (0ang3el, Hacktivity 2019): a request that the server passes on
//! to a place of the attacker's choice, such as a health check, comes back with 101, and the proxy in
//! front tunnels because of the number alone.
//!
//! A 101 opens a tunnel only where it answers the key of a handshake; any other is 502, and what
//! follows reaches no server.

use super::stage::{ACCEPT, ASK, GET, SMUGGLED, Stage, answers};

#[tokio::test]
async fn switch_that_was_not_asked_for_opens_nothing() {
    let without_key = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
    let check = "POST /api/health?url=http://evil.example HTTP/1.1\r\nHost: a\r\n\
                 Content-Length: 0\r\n\r\n";
    for (ask, answer) in [
        (check, without_key),
        (check, ACCEPT),
        (ASK, without_key),
        (ASK, &ACCEPT.replace("s3pPLMBi", "AAAAAAAA")),
        (ASK, &ACCEPT.replace("Upgrade: websocket", "Upgrade: tcp")),
        (
            ASK,
            &ACCEPT.replace("Connection: Upgrade", "Connection: close"),
        ),
    ] {
        let stage = Stage::set().await;
        let mut client = stage.client(ask).await;
        let (mut server, _) = stage.answer(answer).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 502 "), "{answer:?}: {head}");
        client.send(SMUGGLED).await;
        assert_eq!(server.end().await, "", "{answer:?}");
    }
}

#[tokio::test]
async fn handshake_that_went_wrong_ends_the_connection() {
    let stage = Stage::set().await;
    let mut client = stage.client(&format!("{ASK}{SMUGGLED}")).await;
    stage
        .answer("HTTP/1.1 101 Switching Protocols\r\n\r\n")
        .await;
    assert_eq!(answers(&client.end().await), 1);
    stage.is_untouched().await;
}

#[tokio::test]
async fn request_after_an_honest_check_is_answered() {
    let stage = Stage::set().await;
    let mut client = stage.client(GET).await;
    let (mut server, _) = stage.answer(super::stage::OK).await;
    client.until("ok").await;
    client.send(ASK).await;
    assert!(server.head().await.starts_with("GET /ws "));
    server.send(ACCEPT).await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    server.send("hello").await;
    client.until("hello").await;
}
