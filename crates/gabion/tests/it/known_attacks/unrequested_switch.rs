//! websocket-smuggle, second scenario (0ang3el, Hacktivity 2019): the upstream forwards a request
//! to an address of the attacker's choice, such as a health check, which answers 101. The proxy in
//! front opens a tunnel because of the status alone.
//!
//! A 101 opens a tunnel only if it answers the key of a handshake. Any other 101 becomes 502, and
//! the bytes after it do not reach the upstream.

use super::exchange::{ACCEPT, Exchange, GET, HANDSHAKE, SMUGGLED, answers};

#[tokio::test]
async fn unrequested_switch_opens_no_tunnel() {
    let without_key = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
    let check = "POST /api/health?url=http://evil.example HTTP/1.1\r\nHost: a\r\n\
                 Content-Length: 0\r\n\r\n";
    for (request, answer) in [
        (check, without_key),
        (check, ACCEPT),
        (HANDSHAKE, without_key),
        (HANDSHAKE, &ACCEPT.replace("s3pPLMBi", "AAAAAAAA")),
        (
            HANDSHAKE,
            &ACCEPT.replace("Upgrade: websocket", "Upgrade: tcp"),
        ),
        (
            HANDSHAKE,
            &ACCEPT.replace("Connection: Upgrade", "Connection: close"),
        ),
    ] {
        let exchange = Exchange::start().await;
        let mut client = exchange.client(request).await;
        let (mut server, _) = exchange.answer(answer).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 502 "), "{answer:?}: {head}");
        client.send(SMUGGLED).await;
        assert_eq!(server.end().await, "", "{answer:?}");
    }
}

#[tokio::test]
async fn failed_handshake_ends_the_connection() {
    let exchange = Exchange::start().await;
    let mut client = exchange.client(&format!("{HANDSHAKE}{SMUGGLED}")).await;
    exchange
        .answer("HTTP/1.1 101 Switching Protocols\r\n\r\n")
        .await;
    assert_eq!(answers(&client.end().await), 1);
    exchange.assert_untouched().await;
}

#[tokio::test]
async fn request_after_an_honest_check_is_answered() {
    let exchange = Exchange::start().await;
    let mut client = exchange.client(GET).await;
    let (mut server, _) = exchange.answer(super::exchange::OK).await;
    client.until("ok").await;
    client.send(HANDSHAKE).await;
    assert!(server.head().await.starts_with("GET /ws "));
    server.send(ACCEPT).await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    server.send("hello").await;
    client.until("hello").await;
}
