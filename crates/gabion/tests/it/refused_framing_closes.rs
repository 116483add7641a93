//! A refused request whose body another server would end elsewhere closes its connection, whichever rule
//! refuses it: the bytes after it are never read as a request.

use std::sync::Arc;

use gabion::Guard;
use gabion_testkit::{Backend, RawConnection, Recorder};

use crate::support::guarded_proxy::{GuardedProxy, builder};

const POLICY: &str = "version = 1\npacks = ['never']\n[protocol]\nmax_headers = 50\n";

/// Heads that differ in the end of the body.
const AMBIGUOUS: [&str; 6] = [
    "Transfer_Encoding: chunked",
    "Transfer.Encoding: chunked",
    "Content_Length: 5",
    "Content--Length: 5",
    "Transfer-Encoding: gzip, chunked",
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
];

/// What another rule refuses first: the path, the method, the host, the number of headers.
const REFUSED: [&str; 5] = [
    "POST / HTTP/1.1\r\nHost: a",
    "POST /.env HTTP/1.1\r\nHost: a",
    "TRACE / HTTP/1.1\r\nHost: a",
    "POST /%00 HTTP/1.1\r\nHost: a",
    "POST / HTTP/1.1\r\nHost: a\r\nX: MANY",
];

#[tokio::test]
async fn no_request_is_read_after_an_ambiguous_one() {
    let backend = Backend::start().await;
    let guard: Guard = builder(Arc::new(Recorder::default()))
        .with_policy(POLICY, "policy.toml")
        .unwrap();
    let proxy = GuardedProxy::start(&backend.url(), guard);
    for start in REFUSED {
        for framing in AMBIGUOUS {
            let many = ["1"; 90].join("\r\nX: ");
            let head = format!("{}\r\n{framing}\r\n\r\n", start.replace("MANY", &many));
            let mut connection = proxy.connect().await;
            connection.send(&head).await;
            let rest = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
            let answer = answer(&mut connection, rest).await;
            assert!(
                answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 501"),
                "{head}"
            );
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head}: {answer}");
        }
    }
    assert!(backend.take().is_empty(), "a request was forwarded");

    // Other refusals keep the connection.
    let mut connection = proxy.connect().await;
    assert_eq!(connection.get("/.env", "").await.unwrap().status, 403);
    assert_eq!(connection.get("/", "").await.unwrap().status, 200);
}

/// Everything that the guard sends until it closes the connection, with `rest` sent after the head.
async fn answer(connection: &mut RawConnection, rest: &str) -> String {
    connection.send(rest).await;
    connection.end().await
}
