//! A request arrives with the target that its client sent.

use gabion::Guard;
use gabion_testkit::RawServer;

use crate::support::guarded_proxy::GuardedProxy;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The first line that a server behind a guard receives for a request line and its `Host`.
async fn forwarded_line(server: &RawServer, proxy: &GuardedProxy, line: &str) -> String {
    let mut client = proxy.connect().await;
    client
        .send(format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ))
        .await;
    let (_connection, head) = server.answer(OK).await;
    assert!(client.end().await.ends_with("ok"), "{line}");
    head.lines().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn target_without_a_path_is_the_root() {
    for policy in [
        "version = 1",
        "version = 1\n[server]\nforward = 'canonical'",
    ] {
        let server = RawServer::bind().await;
        let guard = Guard::from_policy(policy).unwrap();
        let proxy = GuardedProxy::start(&server.url(), guard);
        for (sent, forwarded) in [
            ("GET http://localhost#x", "GET /"),
            ("POST http://localhost#x?y/z", "POST /"),
            ("GET http://localhost", "GET /"),
            ("GET http://localhost?a", "GET /?a"),
            ("GET http://localhost?a#x", "GET /?a"),
            ("GET http://localhost/#x", "GET /"),
            ("GET /#x", "GET /"),
            ("GET /a?b#x", "GET /a?b"),
            ("OPTIONS *", "OPTIONS *"),
        ] {
            let line = forwarded_line(&server, &proxy, sent).await;
            assert_eq!(line, format!("{forwarded} HTTP/1.1"), "{sent}");
        }
    }
}
