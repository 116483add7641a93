use gabion_testkit::Backend;

use crate::support::text;

use super::{
    doctor, examine,
    stage::{Stage, Then},
};

#[tokio::test]
async fn page_scheme_is_named_and_the_walk_goes_on_with_the_right_one() {
    let stage = Stage::start(|asked| asked.opened(Then::Echo)).await;
    let right = stage.url("ws");
    let examined = examine(&[&stage.url("http")]).await;
    let change = format!("new WebSocket(\"{right}\")");
    examined.fails("URL", &["W01", "http:// asks for a page", &right], &change);
    examined.says("ok", "echo", &["came back"]);

    examine(&[&right]).await.is_well();
}

#[tokio::test]
async fn https_becomes_wss() {
    let behind = Backend::start().await;
    let examined = examine(&[&format!("https://{}/ws", behind.addr())]).await;
    assert_eq!(examined.status, Some(1));
    examined.says(
        "failed",
        "URL",
        &["W01", &format!("wss://{}/ws", behind.addr())],
    );
    // No TLS there, of which the next line tells.
    examined.says("failed", "TLS", &["W13"]);
}

#[tokio::test]
async fn secure_page_may_not_open_what_is_not() {
    let page = "https://app.example/chat";
    let examined = examine(&["ws://no-such-host.invalid/ws", "--page", page]).await;
    assert_eq!(examined.status, Some(1));
    examined.says(
        "failed",
        "page",
        &["W12", "https://app.example is https", "mixed content"],
    );
    assert!(
        examined
            .said
            .contains("new WebSocket(\"wss://no-such-host.invalid/ws\")")
    );

    for (url, page) in [
        ("wss://no-such-host.invalid/ws", page),
        ("ws://no-such-host.invalid/ws", "http://app.example/chat"),
    ] {
        let examined = examine(&[url, "--page", page]).await;
        assert!(!examined.said.contains("W12"), "{}", examined.said);
    }
}

#[tokio::test]
async fn secure_page_may_open_what_is_its_own_machines() {
    let stage = Stage::start(|asked| asked.opened(Then::Echo)).await;
    let examined = examine(&[&stage.url("ws"), "--page", "https://app.example"]).await;
    examined.is_well();
    examined.says("note", "page", &["this machine's own"]);
}

#[tokio::test]
async fn what_is_no_url_is_said_before_anything_is_asked() {
    for (args, words) in [
        (vec!["localhost:80/ws"], "must begin with ws:// or wss://"),
        (vec!["ws://localhost:0/"], "no usable port"),
        (
            vec!["ws://localhost/", "--page", "app.example"],
            "must begin with http:// or https://",
        ),
        (
            vec!["ws://localhost/", "--header", "no colon"],
            "is not NAME: VALUE",
        ),
        (
            vec!["ws://localhost/", "--idle", "9", "--ping", "0"],
            "would never end",
        ),
    ] {
        let output = doctor(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let error = text(&output.stderr);
        assert!(error.contains(words), "{args:?}: {error}");
    }
}
