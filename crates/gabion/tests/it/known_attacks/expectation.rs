//! 0.CL and `Expect` desyncs (Kettle, "HTTP/1.1 must die", 2025): hops that disagree on whether a body
//! still comes after an early answer take it for a request, or a request for it.
//!
//! The server is not told of the expectation. After an early answer, what follows is no request: the
//! connection ends unless the body came whole.

use super::stage::{GET, OK, SMUGGLED, Stage, answers};

fn expecting(target: &str, expectation: &str) -> String {
    let length = SMUGGLED.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nExpect: {expectation}\r\n\r\n"
    )
}

#[tokio::test]
async fn what_follows_an_early_refusal_is_no_request() {
    let stage = Stage::set().await;
    let mut client = stage
        .client(&expecting("/.git/config", "100-continue"))
        .await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    client.send(SMUGGLED).await;
    assert_eq!(answers(&client.end().await), 0);
    stage.is_untouched().await;
}

#[tokio::test]
async fn what_follows_an_early_answer_is_no_request() {
    let stage = Stage::set().await;
    let mut client = stage.client(&expecting("/", "100-continue")).await;
    let (mut server, head) = stage.answer(OK).await;
    assert!(!head.contains("expect"), "{head}");
    client.until("ok").await;
    client.send(SMUGGLED).await;
    assert_eq!(answers(&client.soon().await), 0);
    let seen = server.soon().await;
    assert!(SMUGGLED.starts_with(&seen), "{seen}");
    stage.is_untouched_but_for(&mut server).await;
}

#[tokio::test]
async fn other_expectations_are_refused() {
    for expectation in ["100-continue, x", "y 100-continue", "200-ok"] {
        let stage = Stage::set().await;
        let mut client = stage.client(&expecting("/", expectation)).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 417 "), "{head}");
        client.send(SMUGGLED).await;
        assert_eq!(answers(&client.soon().await), 0, "{expectation}");
        assert_eq!(stage.rules(), ["expect/unknown"]);
        stage.is_untouched().await;
    }
}

#[tokio::test]
async fn expectation_is_met_and_the_connection_goes_on() {
    let stage = Stage::set().await;
    let mut client = stage.client(&expecting("/", "100-continue")).await;
    let mut server = stage.accept().await;
    server.head().await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send(SMUGGLED).await;
    assert_eq!(server.head().await, SMUGGLED);
    server.send(OK).await;
    client.until("ok").await;
    client.send(GET).await;
    assert!(server.head().await.starts_with("GET /honest "));
}
