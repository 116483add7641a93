//! The redirect to HTTPS, and HSTS.

use gabion_testkit::{Backend, TempFolder};

use crate::support::Guard;

const POLICY: &str = r#"
version = 1
[client]
trusted_proxies = ["127.0.0.1"]
[server]
health_paths = ["/health"]
[[deny]]
id = "env"
names = [".env"]
"#;

#[tokio::test]
async fn plain_requests_are_redirected_by_trusted_scheme() {
    let folder = TempFolder::new("guard-redirect");
    let policy = folder.replace("policy.toml", POLICY);
    let behind = Backend::start().await;
    let args = [
        "--upstream",
        &behind.url(),
        "--policy",
        &policy,
        "--redirect-https",
        "--hsts",
        "60",
    ];
    let guard = Guard::start(&args).await;
    for (target, lines, status, location) in [
        (
            "/a?b",
            "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: http\r\n",
            308,
            "https://shop.example/a?b",
        ),
        (
            "/a?b",
            "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n",
            200,
            "",
        ),
        // The balancer's own health check, one that is declared, and a probe, which is denied first.
        ("/", "", 200, ""),
        (
            "/health",
            "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: http\r\n",
            200,
            "",
        ),
        (
            "/.env",
            "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: http\r\n",
            403,
            "",
        ),
        (
            "/ws",
            "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: http\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            403,
            "",
        ),
    ] {
        let mut client = guard.connect().await;
        client
            .send(format!(
                "GET {target} HTTP/1.1\r\nHost: shop.example\r\n{lines}\r\n"
            ))
            .await;
        let response = client.response("GET").await.unwrap();
        let header = |name: &str| {
            let value = response.headers.get(name);
            value.map_or("", |value| value.to_str().unwrap()).to_owned()
        };
        assert_eq!(response.status, status, "{target} {lines}");
        assert_eq!(header("location"), location, "{target} {lines}");
        let is_secure = lines.contains("https");
        assert_eq!(
            header("strict-transport-security"),
            if is_secure { "max-age=60" } else { "" }
        );
        if target == "/ws" {
            assert!(
                response.text().contains("open wss:// instead of ws://"),
                "{}",
                response.text()
            );
        }
    }
}
