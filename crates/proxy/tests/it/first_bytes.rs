//! Protocol detection from the first bytes of a connection: TLS gets an error, and an incomplete
//! start times out.

use std::time::Duration;

use gabion_testkit::{RawServer, rows, unescape};

use crate::support::{Setup, proxy_before};

const SHORT: Duration = Duration::from_millis(200);
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn protocol_is_detected_from_the_first_bytes() {
    for row in rows(include_str!("../../testdata/first_bytes.tsv")) {
        let [first, expected] = row[..] else {
            unreachable!("the table has two columns")
        };
        for setup in [Setup::default(), Setup::with_http2()] {
            let front = setup.before("http://127.0.0.1:1");
            let mut client = front.connect().await;
            client.send(&unescape(first)).await;
            client.half_close().await;
            let answer = client.end().await;
            let words = answer
                .contains("W13: TLS was sent to a port that accepts plain http:// and ws:// only");
            assert_eq!(words, expected == "tls", "{first}: {answer}");
            if words {
                assert!(
                    answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
                    "{answer}"
                );
                assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
            }
        }
    }
}

#[tokio::test]
async fn error_reaches_the_client_of_a_long_tls_hello() {
    let front = Setup::default().before("http://127.0.0.1:1");
    let mut client = front.connect().await;
    let mut hello = b"\x16\x03\x01".to_vec();
    hello.resize(1800, 0);
    client.send(&hello).await;
    client.half_close().await;
    assert!(client.end().await.contains("W13"));
}

#[tokio::test]
async fn request_in_pieces_is_served() {
    let backend = RawServer::bind().await;
    for setup in [Setup::default(), Setup::with_http2()] {
        let front = setup.before(&backend.url());
        let mut client = front.connect().await;
        for piece in ["G", "ET", " / HTTP/1.1\r\nHost: a\r\n\r\n"] {
            client.send(piece).await;
            client.quiet(SHORT / 10).await;
        }
        drop(backend.answer(OK).await);
        client.until("ok").await;
        // A method that begins like the HTTP/2 preface.
        client = front.connect().await;
        for piece in ["P", "UT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"] {
            client.send(piece).await;
            client.quiet(SHORT / 10).await;
        }
        let (_, head) = backend.answer(OK).await;
        assert!(head.starts_with("PUT / "), "{head}");
        client.until("ok").await;
    }
}

#[tokio::test]
async fn incomplete_first_bytes_time_out() {
    for half in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r",
        "\x16",
        "\x16\x03",
    ] {
        let setup = Setup::with_http2();
        let setup = Setup {
            serve: setup.serve.with_header_timeout(SHORT),
            ..setup
        };
        let front = setup.before("http://127.0.0.1:1");
        let mut client = front.connect().await;
        client.send(half).await;
        assert_eq!(client.end().await, "", "{half:?}");
    }
}

#[tokio::test]
async fn silent_connection_stays_open_within_the_timeout() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    client.quiet(SHORT * 2).await;
    client.send(GET).await;
    drop(backend.answer(OK).await);
    client.until("ok").await;
}
