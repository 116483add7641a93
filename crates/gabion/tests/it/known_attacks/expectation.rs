//! 0.CL and `Expect` desync (Kettle, "HTTP/1.1 must die", 2025): after an early response, two hops
//! disagree on the body that may still follow, and one reads it as a request, or a request as the
//! body.
//!
//! The upstream does not receive the expectation. After an early response no further request is
//! read: the connection ends unless the whole body arrived.

use super::exchange::{Exchange, GET, OK, SMUGGLED, answers};

fn expecting(target: &str, expectation: &str) -> String {
    let length = SMUGGLED.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nExpect: {expectation}\r\n\r\n"
    )
}

#[tokio::test]
async fn bytes_after_an_early_refusal_are_not_a_request() {
    let exchange = Exchange::start().await;
    let mut client = exchange
        .client(&expecting("/.git/config", "100-continue"))
        .await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    client.send(SMUGGLED).await;
    assert_eq!(answers(&client.end().await), 0);
    exchange.assert_untouched().await;
}

#[tokio::test]
async fn bytes_after_an_early_response_are_not_a_request() {
    let exchange = Exchange::start().await;
    let mut client = exchange.client(&expecting("/", "100-continue")).await;
    let (mut server, head) = exchange.answer(OK).await;
    assert!(!head.contains("expect"), "{head}");
    client.until("ok").await;
    client.send(SMUGGLED).await;
    assert_eq!(answers(&client.soon().await), 0);
    let seen = server.soon().await;
    assert!(SMUGGLED.starts_with(&seen), "{seen}");
    exchange.assert_untouched_except(&mut server).await;
}

#[tokio::test]
async fn other_expectations_are_refused() {
    for expectation in ["100-continue, x", "y 100-continue", "200-ok"] {
        let exchange = Exchange::start().await;
        let mut client = exchange.client(&expecting("/", expectation)).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 417 "), "{head}");
        client.send(SMUGGLED).await;
        assert_eq!(answers(&client.soon().await), 0, "{expectation}");
        assert_eq!(exchange.rules(), ["expect/unknown"]);
        exchange.assert_untouched().await;
    }
}

#[tokio::test]
async fn expectation_is_answered_and_the_connection_is_reused() {
    let exchange = Exchange::start().await;
    let mut client = exchange.client(&expecting("/", "100-continue")).await;
    let mut server = exchange.accept().await;
    server.head().await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send(SMUGGLED).await;
    assert_eq!(server.head().await, SMUGGLED);
    server.send(OK).await;
    client.until("ok").await;
    client.send(GET).await;
    assert!(server.head().await.starts_with("GET /honest "));
}
