//! CVE-2025-4366 (Pingora): a request was answered before its body was read, and the body was then
//! read as the next request.
//!
//! Bytes of a body are never judged, answered or forwarded as a request, regardless of which side
//! answered first.

use super::exchange::{Exchange, GET, OK, SMUGGLED, answers};
use gabion_testkit::RawConnection;

/// A request that the default policy refuses, with a body that looks like another request.
fn refused(lines: &str) -> String {
    format!("POST /.git/config HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

fn length() -> String {
    format!("Content-Length: {}\r\n", SMUGGLED.len())
}

/// Fails if a response follows the refusal.
async fn assert_one_response(client: &mut RawConnection) {
    let answer = client.soon().await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert_eq!(answers(&answer), 1, "{answer}");
}

#[tokio::test]
async fn body_of_a_refused_request_is_not_a_request() {
    let chunk = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    for (head, body) in [
        (refused(&length()), SMUGGLED),
        (refused("Transfer-Encoding: chunked\r\n"), &chunk),
    ] {
        for at in [0, 1, 20, body.len()] {
            let exchange = Exchange::start().await;
            let (now, later) = body.split_at(at);
            let mut client = exchange.client(&format!("{head}{now}")).await;
            client.until("HTTP/1.1 403 ").await;
            client.send(later).await;
            assert_eq!(answers(&client.soon().await), 0, "at {at} of {body}");
            assert_eq!(exchange.rules().len(), 1);
            exchange.assert_untouched().await;
        }
    }
}

#[tokio::test]
async fn body_of_a_request_answered_early_is_not_a_request() {
    let exchange = Exchange::start().await;
    let head = refused(&length()).replace("/.git/config", "/upload");
    let mut client = exchange.client(&head).await;
    let (mut server, _) = exchange
        .answer("HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n")
        .await;
    client.until("HTTP/1.1 413 ").await;
    client.send(SMUGGLED).await;
    assert_eq!(answers(&client.soon().await), 0);
    // The part of the body that arrived, and no request after it.
    let seen = server.soon().await;
    assert!(SMUGGLED.starts_with(&seen), "{seen}");
    exchange.assert_untouched_except(&mut server).await;
}

#[tokio::test]
async fn request_after_a_refused_one_is_answered() {
    let exchange = Exchange::start().await;
    let mut client = exchange
        .client(&format!("{}{SMUGGLED}", refused(&length())))
        .await;
    assert_one_response(&mut client).await;
    client.send(GET).await;
    let (_server, head) = exchange.answer(OK).await;
    assert!(head.starts_with("GET /honest "), "{head}");
    client.until("ok").await;
}
