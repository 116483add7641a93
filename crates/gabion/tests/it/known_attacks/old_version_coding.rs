//! `Transfer-Encoding` on HTTP/1.0 (CVE-2026-2835, Pingora): a version that has no chunks, whose
//! servers read the length, or to the end, where others read chunks.
//!
//! Nothing of it reaches the server.

use super::stage::{OK, SMUGGLED, Stage, answers};

#[tokio::test]
async fn coding_on_http10_reaches_nobody() {
    for lines in [
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
    ] {
        let stage = Stage::set().await;
        let head = format!("POST / HTTP/1.0\r\nHost: a\r\n{lines}\r\n0\r\n\r\n");
        let mut client = stage.client(&format!("{head}{SMUGGLED}")).await;
        let answer = client.end().await;
        assert!(answer.contains(" 400 "), "{answer}");
        assert!(answers(&answer) <= 1, "{answer}");
        stage.is_untouched().await;
    }
}

#[tokio::test]
async fn length_on_http10_passes() {
    let stage = Stage::set().await;
    let mut client = stage
        .client("POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    let (mut server, head) = stage.answer(OK).await;
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
    server.until("hi").await;
    let answer = client.end().await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}
