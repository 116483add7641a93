//! `Transfer-Encoding` on HTTP/1.0 (CVE-2026-2835, Pingora): the version has no chunked coding.
//! Some servers read the length or up to the end of the connection, others read chunks.
//!
//! No byte of such a request reaches the upstream.

use super::exchange::{Exchange, OK, SMUGGLED, answers};

#[tokio::test]
async fn coding_on_http10_is_refused() {
    for lines in [
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
    ] {
        let exchange = Exchange::start().await;
        let head = format!("POST / HTTP/1.0\r\nHost: a\r\n{lines}\r\n0\r\n\r\n");
        let mut client = exchange.client(&format!("{head}{SMUGGLED}")).await;
        let answer = client.end().await;
        assert!(answer.contains(" 400 "), "{answer}");
        assert!(answers(&answer) <= 1, "{answer}");
        exchange.assert_untouched().await;
    }
}

#[tokio::test]
async fn length_on_http10_passes() {
    let exchange = Exchange::start().await;
    let mut client = exchange
        .client("POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    let (mut server, head) = exchange.answer(OK).await;
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
    server.until("hi").await;
    let answer = client.end().await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}
