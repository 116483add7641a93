//! Requests that hyper refuses, in the log of the guard.

use gabion_testkit::Backend;

use crate::support::Guard;

#[tokio::test]
async fn request_that_is_not_http_is_logged_with_its_escaped_line() {
    let behind = Backend::start().await;
    let guard = Guard::start(&["--upstream", &behind.url()]).await;
    let mut client = guard.connect().await;
    client
        .send("GET /\x1b[2J\"`banned\u{202e} HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n")
        .await;
    assert!(client.end().await.starts_with("HTTP/1.1 400 "));
    let line = guard
        .logged(["refused (400): not a request", "unparsable/target"])
        .await;
    for field in [
        "INFO gabion: ",
        "peer=127.0.0.1",
        "reason=\"invalid target\"",
        r#"line="GET /\\x1b[2J\\x22\\x60banned\\xe2\\x80\\xae HTTP/1.1""#,
        "status=400",
    ] {
        assert!(line.contains(field), "{field}: {line}");
    }
    let log = guard.log();
    assert!(!log.contains("secret"), "{log}");
    assert!(!log.contains('\x1b'), "{log}");
    assert_eq!(log.matches("not a request").count(), 1, "{log}");
    assert_eq!(guard.status("/").await, 200);
    assert!(!guard.log().contains("banned for"));
}
