//! With nothing behind it, it guards a server of its own, to be tried out.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::support::Guard;

#[tokio::test]
async fn newcomer_finds_what_the_greeting_promises() {
    let guard = Guard::start(&[]).await;
    let addr = guard.addr();
    let said = guard.said();
    for line in [
        format!("guard listens on http://{addr}"),
        "(a demo: a page, JSON, a WebSocket echo)".to_owned(),
        "by its built-in policy".to_owned(),
        format!("open http://{addr}/ in a browser"),
        format!("curl -i http://{addr}/.env"),
        format!("curl -i http://{addr}/index.ph%70"),
    ] {
        assert!(said.contains(&line), "no `{line}` in\n{said}");
    }

    let mut wire = guard.connect().await;
    let page = wire.get("/", "").await.unwrap();
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.text().contains("A page behind gabion"));
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
async fn probe_is_refused_with_the_reason_in_the_log() {
    let guard = Guard::start(&[]).await;
    assert_eq!(guard.status("/.env").await, 403);
    guard
        .logged([
            "denied",
            "client=127.0.0.1",
            "target=/.env",
            "rule=never/env",
            "matched=.env",
            "view=as sent",
        ])
        .await;
    assert_eq!(guard.status("/index.ph%70").await, 403);
    guard
        .logged([
            "denied",
            "target=/index.ph%70",
            "rule=no-php/scripts",
            "matched=index.php",
            "view=decoded",
        ])
        .await;
    // What may fit or not is only told.
    assert_eq!(guard.status("/wp-admin/").await, 404);
    guard
        .logged(["would deny", "rule=no-wordpress/paths"])
        .await;
    assert_eq!(guard.status("/%00").await, 400);
    guard
        .logged(["denied", "rule=path/nul", "status=400"])
        .await;
}
