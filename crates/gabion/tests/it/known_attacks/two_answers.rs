//! Response splitting and queue poisoning (Klein, "Divide and Conquer", 2004; Kettle, 2021): a server
//! answers one request twice, and the second answer goes to whoever asks next on that connection.
//!
//! A second answer is nobody's: the connection it came on ends.

use super::stage::{GET, OK, Stage};

const STOLEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen";
const HONEST: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhonest";

/// Requests, the answers to each that hold two, and how the first of these ends at the client.
const SPLIT: [(&str, &str, &str); 5] = [
    (GET, OK, "ok"),
    (GET, "HTTP/1.1 204 No Content\r\n\r\n", "\r\n\r\n"),
    (
        GET,
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 50\r\n\r\n",
        "\r\n\r\n",
    ),
    (
        GET,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "0\r\n\r\n",
    ),
    (
        "HEAD /honest HTTP/1.1\r\nHost: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 44\r\n\r\n",
        "\r\n\r\n",
    ),
];

#[tokio::test]
async fn second_answer_answers_nobody() {
    for (request, first, end) in SPLIT {
        let stage = Stage::set().await;
        let mut client = stage.client(request).await;
        let (mut server, _) = stage.answer(&format!("{first}{STOLEN}")).await;
        client.until(end).await;
        // The same connection, so that it is the same worker and its pool.
        client.send(GET).await;
        let (_other, head) = stage.answer(HONEST).await;
        assert!(head.starts_with("GET /honest "), "{head}");
        let seen = client.until("honest").await;
        assert!(!seen.contains("stolen"), "{seen}");
        assert_eq!(server.end().await, "", "{first:?}");
    }
}

#[tokio::test]
async fn answer_before_any_request_answers_nobody() {
    let stage = Stage::set().await;
    let mut client = stage.client(GET).await;
    let (mut server, _) = stage.answer(OK).await;
    client.until("ok").await;
    server.send(STOLEN).await;
    assert_eq!(server.end().await, "");
    client.send(GET).await;
    stage.answer(HONEST).await;
    let seen = client.until("honest").await;
    assert!(!seen.contains("stolen"), "{seen}");
}

#[tokio::test]
async fn one_answer_each_keeps_the_connection() {
    let stage = Stage::set().await;
    let mut client = stage.client(GET).await;
    let (mut server, _) = stage.answer(OK).await;
    client.until("ok").await;
    for _ in 0..3 {
        client.send(GET).await;
        server.head().await;
        server.send(HONEST).await;
        client.until("honest").await;
    }
}
