//! Response splitting and queue poisoning (Klein, "Divide and Conquer", 2004; Kettle, 2021): an
//! upstream answers one request twice, and the second response goes to the next client on that
//! connection.
//!
//! The guard forwards no second response; it closes the upstream connection.

use super::exchange::{Exchange, GET, OK};

const STOLEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen";
const HONEST: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhonest";

/// Requests, responses that hold two, and the end of the first of these at the client.
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
async fn second_response_is_discarded() {
    for (request, first, end) in SPLIT {
        let exchange = Exchange::start().await;
        let mut client = exchange.client(request).await;
        let (mut server, _) = exchange.answer(&format!("{first}{STOLEN}")).await;
        client.until(end).await;
        // The same client connection, so that the same worker and pool are used.
        client.send(GET).await;
        let (_other, head) = exchange.answer(HONEST).await;
        assert!(head.starts_with("GET /honest "), "{head}");
        let seen = client.until("honest").await;
        assert!(!seen.contains("stolen"), "{seen}");
        assert_eq!(server.end().await, "", "{first:?}");
    }
}

#[tokio::test]
async fn unsolicited_response_is_discarded() {
    let exchange = Exchange::start().await;
    let mut client = exchange.client(GET).await;
    let (mut server, _) = exchange.answer(OK).await;
    client.until("ok").await;
    server.send(STOLEN).await;
    assert_eq!(server.end().await, "");
    client.send(GET).await;
    exchange.answer(HONEST).await;
    let seen = client.until("honest").await;
    assert!(!seen.contains("stolen"), "{seen}");
}

#[tokio::test]
async fn one_response_per_request_keeps_the_connection() {
    let exchange = Exchange::start().await;
    let mut client = exchange.client(GET).await;
    let (mut server, _) = exchange.answer(OK).await;
    client.until("ok").await;
    for _ in 0..3 {
        client.send(GET).await;
        server.head().await;
        server.send(HONEST).await;
        client.until("honest").await;
    }
}
