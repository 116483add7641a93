use gabion_testkit::Backend;

use crate::support::text;

use super::{
    doctor, examine,
    mock_server::{Behavior, MockServer},
};

#[tokio::test]
async fn http_scheme_is_diagnosed_and_the_diagnosis_continues_with_ws() {
    let server = MockServer::start(|request| request.upgrade(Behavior::Echo)).await;
    let right = server.url("ws");
    let examination = examine(&[&server.url("http")]).await;
    let change = format!("new WebSocket(\"{right}\")");
    examination.assert_fails(
        "URL",
        &["W01", "`http://` is the scheme of a page", &right],
        &change,
    );
    examination.assert_line("ok", "echo", &["echo after "]);

    examine(&[&right]).await.assert_ok();
}

#[tokio::test]
async fn https_is_replaced_by_wss() {
    let behind = Backend::start().await;
    let examination = examine(&[&format!("https://{}/ws", behind.addr())]).await;
    assert_eq!(examination.status, Some(1));
    examination.assert_line(
        "failed",
        "URL",
        &["W01", &format!("wss://{}/ws", behind.addr())],
    );
    // The server has no TLS, so the next step fails.
    examination.assert_line("failed", "TLS", &["W13"]);
}

#[tokio::test]
async fn https_page_cannot_open_ws() {
    let page = "https://app.example/chat";
    let examination = examine(&["ws://no-such-host.invalid/ws", "--page", page]).await;
    assert_eq!(examination.status, Some(1));
    examination.assert_line(
        "failed",
        "page",
        &["W12", "https://app.example is https", "mixed content"],
    );
    assert!(
        examination
            .stdout
            .contains("new WebSocket(\"wss://no-such-host.invalid/ws\")")
    );

    for (url, page) in [
        ("wss://no-such-host.invalid/ws", page),
        ("ws://no-such-host.invalid/ws", "http://app.example/chat"),
    ] {
        let examination = examine(&[url, "--page", page]).await;
        assert!(
            !examination.stdout.contains("W12"),
            "{}",
            examination.stdout
        );
    }
}

#[tokio::test]
async fn https_page_can_open_ws_on_loopback() {
    let server = MockServer::start(|request| request.upgrade(Behavior::Echo)).await;
    let examination = examine(&[&server.url("ws"), "--page", "https://app.example"]).await;
    examination.assert_ok();
    examination.assert_line("note", "page", &["on this machine (loopback)"]);
}

#[tokio::test]
async fn invalid_arguments_are_rejected_before_any_connection() {
    for (args, words) in [
        (vec!["localhost:80/ws"], "must begin with ws:// or wss://"),
        (
            vec!["ws://localhost:0/"],
            "the port must be from 1 to 65535",
        ),
        (
            vec!["ws://localhost/", "--page", "app.example"],
            "must begin with http:// or https://",
        ),
        (
            vec!["ws://localhost/", "--header", "no colon"],
            "write `NAME: VALUE`",
        ),
        (
            vec!["ws://localhost/", "--idle", "9", "--ping", "0"],
            "at least 1 s",
        ),
    ] {
        let output = doctor(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let error = text(&output.stderr);
        assert!(error.contains(words), "{args:?}: {error}");
    }
}
