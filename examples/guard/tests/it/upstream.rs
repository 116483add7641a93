//! The servers behind the guard: always those in `--upstream`.

use gabion_testkit::{Backend, RawServer};

use crate::support::Guard;

/// Sends a request that must not wait for a server to start.
async fn post(guard: &Guard, target: &str) -> gabion_testkit::RawResponse {
    let mut client = guard.connect().await;
    let head = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    client.send(head).await;
    client.response("POST").await.unwrap()
}

#[tokio::test]
async fn closed_upstream_gives_503_and_the_log_has_the_reason() {
    let url = RawServer::bind().await.url();
    let guard = Guard::start(&["--upstream", &url]).await;
    let response = post(&guard, "/x?y").await;
    assert_eq!(response.status, 503);
    assert!(
        response
            .text()
            .contains("the upstream does not accept connections; it may be starting"),
        "{}",
        response.text()
    );
    assert!(
        !response.text().contains(&url),
        "the response must not reveal the upstream"
    );
    guard
        .logged([
            "WARN",
            "answered 503 by the proxy client=127.0.0.1",
            r#"method="POST" target="/x?…""#,
            "Connection refused",
            &url,
        ])
        .await;
}

#[tokio::test]
async fn several_upstreams_share_the_requests() {
    let (one, other) = (Backend::start().await, Backend::start().await);
    let gone = RawServer::bind().await.url();
    let guard = Guard::start(&[
        "--upstream",
        &one.url(),
        "--upstream",
        &other.url(),
        "--upstream",
        &gone,
        "--balance",
        "round-robin",
        "--health-check",
        "/health",
    ])
    .await;
    for _ in 0..12 {
        assert_eq!(guard.status("/").await, 200);
    }
    for server in [&one, &other] {
        let received = server.take();
        let requests = received.iter().filter(|request| request.target == "/");
        assert!(requests.count() >= 4);
        assert!(received.iter().any(|request| request.target == "/health"));
    }
}

#[tokio::test]
async fn invalid_upstream_options_are_explained() {
    for (args, reason) in [
        (&["--upstream", "ftp://app"][..], "write `http://HOST:PORT`"),
        (
            &[
                "--upstream",
                "http://127.0.0.1:1",
                "--health-check",
                "health",
            ],
            "--health-check: invalid path of a health check `health`: write a path such as `/health`",
        ),
        (
            &[
                "--upstream",
                "https://127.0.0.1:1",
                "--upstream-ca",
                "/no/such/file.pem",
            ],
            "cannot read `/no/such/file.pem`: No such file or directory",
        ),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_guard"))
            .args(args)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn silent_upstream_gives_504_and_the_log_has_the_reason() {
    let silent = RawServer::bind().await;
    let url = silent.url();
    let guard = Guard::start(&["--upstream", &url, "--timeout", "1"]).await;
    assert_eq!(guard.status("/").await, 504);
    guard
        .logged([
            "WARN",
            "answered 504",
            "the upstream did not respond within 1 s",
        ])
        .await;
}

#[tokio::test]
async fn request_cannot_select_the_upstream() {
    let (behind, other) = (Backend::start().await, Backend::start().await);
    let guard = Guard::start(&["--upstream", &behind.url()]).await;
    let elsewhere = other.addr();
    let mut wire = guard.connect().await;
    let absolute =
        format!("GET http://{elsewhere}/absolute?q HTTP/1.1\r\nHost: {elsewhere}\r\n\r\n");
    wire.send(absolute.as_bytes()).await;
    assert_eq!(wire.response("GET").await.unwrap().status, 200);
    let seen = behind.take();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].target, "/absolute?q");
    assert_eq!(seen[0].headers["host"], elsewhere.to_string());

    wire.send(format!("GET /host HTTP/1.1\r\nHost: {elsewhere}\r\n\r\n").as_bytes())
        .await;
    assert_eq!(wire.response("GET").await.unwrap().status, 200);
    assert_eq!(behind.take()[0].target, "/host");

    for (request, status) in [
        (
            format!("CONNECT {elsewhere} HTTP/1.1\r\nHost: {elsewhere}\r\n\r\n"),
            405,
        ),
        (
            format!("GET http://me@{elsewhere}/ HTTP/1.1\r\nHost: {elsewhere}\r\n\r\n"),
            400,
        ),
        (
            format!("GET {elsewhere} HTTP/1.1\r\nHost: {elsewhere}\r\n\r\n"),
            400,
        ),
    ] {
        let mut wire = guard.connect().await;
        wire.send(request.as_bytes()).await;
        assert_eq!(
            wire.response("CONNECT").await.unwrap().status,
            status,
            "{request}"
        );
    }
    assert!(behind.take().is_empty());
    assert!(other.take().is_empty(), "another server was contacted");
}

#[tokio::test]
async fn upstream_receives_the_client_address() {
    let behind = Backend::start().await;
    let guard = Guard::start(&["--upstream", &behind.url()]).await;
    let forged =
        "X-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\nX-Real-IP: 203.0.113.9\r\n";
    guard.connect().await.get("/", forged).await.unwrap();
    let headers = &behind.take()[0].headers;
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["x-forwarded-host"], "localhost");
    assert!(!headers.contains_key("forwarded") && !headers.contains_key("x-real-ip"));
}

#[tokio::test]
async fn header_names_keep_their_case_on_request() {
    const RESPONSE: &str =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-MiXed: 1\r\nx-mixed: 2\r\n\r\nok";
    for (option, request, response) in [
        (
            &["--keep-header-case"][..],
            [
                "Host: localhost",
                "X-MiXed: 1",
                "X-mixed: 2",
                "x-forwarded-proto: http",
            ],
            ["X-MiXed: 1", "x-mixed: 2", "Content-Length: 2"],
        ),
        (
            &[],
            [
                "host: localhost",
                "x-mixed: 1",
                "x-mixed: 2",
                "x-forwarded-proto: http",
            ],
            ["x-mixed: 1", "x-mixed: 2", "content-length: 2"],
        ),
    ] {
        let server = RawServer::bind().await;
        let url = server.url();
        let guard = Guard::start(&[&["--upstream", &url], option].concat()).await;
        let mut client = guard.connect().await;
        let lines = "X-MiXed: 1\r\nX-Real-IP: 1.1.1.1\r\nX-mixed: 2";
        client
            .send(format!(
                "GET / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n"
            ))
            .await;
        let (_connection, head) = server.answer(RESPONSE).await;
        for line in request {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}: {head}");
        }
        assert!(!head.to_ascii_lowercase().contains("x-real-ip"), "{head}");
        let head = client.head().await;
        for line in response {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}: {head}");
        }
    }
}
