//! CL.TE and TE.CL (Linhart et al., "HTTP Request Smuggling", 2005; Kettle, "HTTP Desync Attacks",
//! 2019): a head has both `Content-Length` and `Transfer-Encoding`, and two hops read one each.
//!
//! The request is refused although hyper shows only one of the two. Neither it nor the bytes after
//! it reach the upstream.

use gabion_proxy::Protocols;

use super::exchange::{Exchange, GET, OK, SMUGGLED, answers};
use crate::support::guarded_proxy::DEFAULT;

const LINES: [&str; 5] = [
    "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
    "content-length:6\nX: 1\ntransfer-encoding:chunked\n",
    "Transfer-Encoding: chunked\r\nContent-Length: x\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length:\r\n",
];

#[tokio::test]
async fn first_request_of_both_lengths_is_refused() {
    for protocols in [Protocols::Http1, Protocols::Http1AndPriorKnowledge] {
        for lines in LINES {
            let exchange = Exchange::with_protocols(protocols, DEFAULT).await;
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n0\r\n\r\n");
            let mut client = exchange.client(&format!("{head}{SMUGGLED}")).await;
            let answer = client.end().await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
            assert_eq!(answers(&answer), 1, "{answer}");
            assert_eq!(exchange.rules(), ["framing/both"], "{lines}");
            exchange.assert_untouched().await;
        }
    }
}

#[tokio::test]
async fn second_request_of_both_lengths_is_refused() {
    let befores = [
        GET.to_owned(),
        format!(
            "POST /honest HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\n\r\n{:33}",
            "x"
        ),
        "POST /honest HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         2;x=y\r\nhi\r\n0\r\nX: 1\n\r\nGET /trailer HTTP/1.1\r\n\r\n"
            .to_owned(),
    ];
    for (before, lines) in befores.iter().flat_map(|b| LINES.map(|lines| (b, lines))) {
        let exchange = Exchange::start().await;
        let second = format!("POST /2 HTTP/1.1\r\nHost: a\r\n{lines}\r\n0\r\n\r\n");
        let mut client = exchange
            .client(&format!("{before}{second}{SMUGGLED}"))
            .await;
        let (mut server, head) = exchange.answer(OK).await;
        assert!(head.contains(" /honest "), "{head}");
        let answer = client.end().await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("okHTTP/1.1 400 "), "{answer}");
        assert_eq!(answers(&answer), 2, "{answer}");
        assert_eq!(exchange.rules(), ["framing/both"], "{before}");
        let rest = server.soon().await;
        assert!(
            !rest.contains("POST /2") && !rest.contains("/smuggled"),
            "{rest}"
        );
        exchange.assert_untouched_except(&mut server).await;
    }
}

#[tokio::test]
async fn requests_with_one_length_pass_in_sequence() {
    let exchange = Exchange::start().await;
    let sized = "POST /honest HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n0\r\n\r\n";
    let coded = "POST /honest HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let mut client = exchange
        .client(&format!("{sized}{coded}{sized}{GET}"))
        .await;
    let mut server = exchange.accept().await;
    for _ in 0..4 {
        let head = server.head().await;
        assert!(head.contains(" /honest "), "{head}");
        if !head.starts_with("GET ") {
            server.until("0\r\n\r\n").await;
        }
        server.send(OK).await;
        client.until("ok").await;
    }
    assert!(exchange.rules().is_empty());
}
