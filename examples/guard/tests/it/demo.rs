//! The demo: the guard without `--upstream` protects a server of its own.

use futures_util::{SinkExt as _, StreamExt as _};
use gabion_testkit::TempFolder;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::support::Guard;

#[tokio::test]
async fn commands_of_the_start_text_work() {
    let guard = Guard::start(&[]).await;
    let addr = guard.addr();
    let stdout = guard.stdout();
    for line in [
        format!("guard listens on http://{addr}"),
        "the built-in demo: a page, JSON, a WebSocket echo".to_owned(),
        format!("WebSocket  ws://{addr}/ws\n"),
        "policy     built in".to_owned(),
        format!("open http://{addr}/ in a browser"),
        format!("curl -i http://{addr}/.env"),
        format!("curl -i http://{addr}/index.ph%70"),
        format!("curl -i http://{addr}/ws"),
        "Loopback and private clients are exempt from bans and limits.".to_owned(),
        format!("-H 'X-Forwarded-For: 203.0.113.7' 'http://{addr}/ban-me/[1-3]'"),
        format!("-H 'X-Forwarded-For: 203.0.113.8' 'http://{addr}/api/status?[1-4]'"),
    ] {
        assert!(stdout.contains(&line), "no `{line}` in\n{stdout}");
    }

    let mut wire = guard.connect().await;
    let page = wire.get("/", "").await.unwrap();
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.text().contains("<h1>gabion demo</h1>"));
    assert!(page.text().contains("exempt from bans and limits"));
    let json = wire.get("/api/status", "").await.unwrap();
    assert_eq!(json.headers["content-type"], "application/json");
    assert_eq!(json.text(), r#"{"guarded_by":"gabion","status":"fine"}"#);

    let (mut socket, _) = connect_async(format!("ws://{addr}/ws")).await.unwrap();
    for text in ["one", "two"] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
    socket.close(None).await.unwrap();
}

#[tokio::test]
async fn plain_get_of_the_websocket_path_gets_426_and_the_address() {
    let guard = Guard::start(&[]).await;
    let mut wire = guard.connect().await;
    for (header, address) in [
        ("", "ws://localhost/ws"),
        ("X-Forwarded-Proto: https\r\n", "wss://localhost/ws"),
    ] {
        let response = wire.get("/ws", header).await.unwrap();
        assert_eq!(response.status, 426);
        assert_eq!(response.headers["upgrade"], "websocket");
        let line = format!(" {address}\n");
        assert!(response.text().contains(&line), "{}", response.text());
    }
}

#[tokio::test]
async fn forwarded_client_is_banned_and_limited_and_a_loopback_client_is_not() {
    let guard = Guard::start(&[]).await;
    let get = async |target: &str, client: &str| {
        let header = match client {
            "" => String::new(),
            client => format!("X-Forwarded-For: {client}\r\n"),
        };
        let response = guard.connect().await.get(target, &header).await;
        response.expect("a response").status.as_u16()
    };
    for client in ["", "203.0.113.7"] {
        for target in ["/ban-me/1", "/ban-me/2", "/ban-me/3"] {
            assert_eq!(get(target, client).await, 403);
        }
    }
    assert_eq!(get("/", "203.0.113.7").await, 403);
    assert_eq!(get("/", "203.0.113.8").await, 200);
    assert_eq!(get("/", "").await, 200);

    for (client, last) in [("", 200), ("203.0.113.8", 429)] {
        for status in [200, 200, 200, last] {
            assert_eq!(get("/api/status", client).await, status);
        }
    }
}

#[tokio::test]
async fn policy_file_replaces_the_rules_of_the_demo() {
    let folder = TempFolder::new("demo-policy");
    let policy = folder.replace("policy.toml", "version = 1\n");
    let guard = Guard::start(&["--policy", &policy]).await;
    assert!(!guard.stdout().contains("ban-me"), "{}", guard.stdout());
    assert_eq!(guard.status("/ban-me/1").await, 404);
}

#[tokio::test]
async fn probe_is_denied_and_the_log_has_the_reason() {
    let guard = Guard::start(&[]).await;
    assert_eq!(guard.status("/.env").await, 403);
    guard
        .logged([
            "denied",
            "client=127.0.0.1",
            r#"target="/.env""#,
            "rule=never/env",
            r#"reason="path contains `.env`""#,
            r#"view="as sent""#,
        ])
        .await;
    assert_eq!(guard.status("/index.ph%70").await, 403);
    guard
        .logged([
            "denied",
            r#"target="/index.ph%70""#,
            "rule=no-php/scripts",
            r#"reason="path has a file extension of the rule: `index.php`""#,
            r#"view="decoded""#,
        ])
        .await;
    // Packs that could refuse real users only log.
    assert_eq!(guard.status("/wp-admin/").await, 404);
    guard
        .logged([
            "would have been denied",
            r#"target="/wp-admin/""#,
            "rule=no-wordpress/paths",
        ])
        .await;
    assert_eq!(guard.status("/%00").await, 400);
    guard
        .logged(["denied", "rule=path/nul", "status=400"])
        .await;
}
