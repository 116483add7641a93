//! CVE-2025-4366 (Pingora): a request was answered before its body was read, and the body was then
//! read as the next request.
//!
//! What belongs to a body is never judged, answered or passed on as a request, whoever answered first.

use super::stage::{End, GET, OK, SMUGGLED, Stage, answers};

/// A request that the default policy refuses, with a body that looks like another.
fn refused(lines: &str) -> String {
    format!("POST /.git/config HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

fn length() -> String {
    format!("Content-Length: {}\r\n", SMUGGLED.len())
}

/// Fails where more than the refusal is answered.
async fn answers_once(client: &mut End) {
    let answer = client.soon().await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert_eq!(answers(&answer), 1, "{answer}");
}

#[tokio::test]
async fn body_of_a_refused_request_is_no_request() {
    let chunk = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    for (head, body) in [
        (refused(&length()), SMUGGLED),
        (refused("Transfer-Encoding: chunked\r\n"), &chunk),
    ] {
        for at in [0, 1, 20, body.len()] {
            let stage = Stage::set().await;
            let (now, later) = body.split_at(at);
            let mut client = stage.client(&format!("{head}{now}")).await;
            client.until("HTTP/1.1 403 ").await;
            client.send(later).await;
            assert_eq!(answers(&client.soon().await), 0, "at {at} of {body}");
            assert_eq!(stage.rules().len(), 1);
            stage.is_untouched().await;
        }
    }
}

#[tokio::test]
async fn body_of_a_request_that_the_server_answered_early_is_no_request() {
    let stage = Stage::set().await;
    let head = refused(&length()).replace("/.git/config", "/upload");
    let mut client = stage.client(&head).await;
    let (mut server, _) = stage
        .answer("HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n")
        .await;
    client.until("HTTP/1.1 413 ").await;
    client.send(SMUGGLED).await;
    assert_eq!(answers(&client.soon().await), 0);
    // As much of the body as came, and no request after it.
    let seen = server.soon().await;
    assert!(SMUGGLED.starts_with(&seen), "{seen}");
    stage.is_untouched_but_for(&mut server).await;
}

#[tokio::test]
async fn request_after_a_refused_one_is_answered() {
    let stage = Stage::set().await;
    let mut client = stage
        .client(&format!("{}{SMUGGLED}", refused(&length())))
        .await;
    answers_once(&mut client).await;
    client.send(GET).await;
    let (_server, head) = stage.answer(OK).await;
    assert!(head.starts_with("GET /honest "), "{head}");
    client.until("ok").await;
}
