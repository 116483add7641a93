//! CL.0 (Kettle, "Browser-Powered Desync Attacks", 2022): an upstream that expects no body with
//! GET, HEAD or OPTIONS reads it as the next request, and answers twice.
//!
//! The body stays framed. The guard discards a second response and closes its connection.

use super::exchange::{Exchange, GET, OK, SMUGGLED};

const STOLEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen";

#[tokio::test]
async fn second_response_is_discarded() {
    for (method, first) in [
        ("GET", OK),
        ("OPTIONS", OK),
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"),
    ] {
        let exchange = Exchange::start().await;
        let length = SMUGGLED.len();
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        let mut client = exchange.client(&format!("{head}{SMUGGLED}")).await;
        let mut server = exchange.accept().await;
        let head = server.head().await;
        assert!(
            head.contains(&format!("\r\ncontent-length: {length}\r\n")),
            "{head}"
        );
        assert_eq!(server.head().await, SMUGGLED);
        server.send(&format!("{first}{STOLEN}")).await;
        client.head().await;
        client.send(GET).await;
        let (_server, head) = exchange.answer(OK).await;
        assert!(head.starts_with("GET /honest "), "{head}");
        let rest = client
            .until(if method == "HEAD" {
                "\r\n\r\nok"
            } else {
                "okHTTP/1.1 200 OK"
            })
            .await;
        assert!(!rest.contains("stolen"), "{rest}");
        assert_eq!(server.end().await, "");
    }
}

#[tokio::test]
async fn honest_query_with_a_body_is_answered() {
    let exchange = Exchange::start().await;
    let query = "GET /_search HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\n{\"query\": {}}";
    let mut client = exchange.client(query).await;
    let (mut server, _) = exchange.answer(OK).await;
    server.until("{\"query\": {}}").await;
    client.until("ok").await;
    client.send(GET).await;
    assert!(server.head().await.starts_with("GET /honest "));
    server.send(OK).await;
    client.until("ok").await;
}
