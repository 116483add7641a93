use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use super::{
    examine,
    mock_server::{Behavior, MockServer, response},
};

async fn server(behavior: Behavior) -> MockServer {
    MockServer::start(move |request| request.upgrade(behavior)).await
}

#[tokio::test]
async fn idle_cut_is_diagnosed_and_pings_prevent_it() {
    let timed = server(Behavior::CutIdle(Duration::from_secs(2))).await;
    let url = timed.url("ws");
    let examination = examine(&[&url, "--idle", "6"]).await;
    let words = [
        "D01",
        "cut without a close frame",
        " after 2.",
        "s after the last frame",
    ];
    examination.assert_fails("idle", &words, "[upgrade] ping = \"1s\"");
    assert!(examination.stdout.contains("idle_timeout.timeout_seconds"));
    // A ping per second keeps the connection open.
    let examination = examine(&[&url, "--idle", "5", "--ping", "1"]).await;
    examination.assert_ok();
    examination.assert_line("ok", "idle", &["still open after 5 s", "pings answered"]);
    // Without --idle there is no idle step.
    let examination = examine(&[&url]).await;
    examination.assert_ok();
    assert!(
        !examination.stdout.contains("idle"),
        "{}",
        examination.stdout
    );
}

#[tokio::test]
async fn rare_pings_and_a_limit_on_age_have_different_diagnoses() {
    let timed = server(Behavior::CutIdle(Duration::from_secs(2))).await;
    let examination = examine(&[&timed.url("ws"), "--idle", "6", "--ping", "3"]).await;
    examination.assert_fails(
        "idle",
        &["D03", "a ping every 3 s is too rare"],
        "proxy_read_timeout 3s;",
    );

    let aged = server(Behavior::CutAged(Duration::from_millis(3500))).await;
    let examination = examine(&[&aged.url("ws"), "--idle", "6", "--ping", "1"]).await;
    examination.assert_fails(
        "idle",
        &["D07", "a limit on the age", "pings answered"],
        "max_stream_duration",
    );
}

#[tokio::test]
async fn unanswered_pings_are_counted() {
    let mute = server(Behavior::Mute).await;
    let examination = examine(&[&mute.url("ws"), "--idle", "3", "--ping", "1"]).await;
    assert_eq!(examination.status, Some(1));
    examination.assert_line("failed", "idle", &["D04", "no pong to"]);
}

#[tokio::test]
async fn close_during_idle_is_reported_with_its_code() {
    let drained = server(Behavior::CloseIdle(Duration::from_secs(2), 1012)).await;
    let examination = examine(&[&drained.url("ws"), "--idle", "6"]).await;
    examination.assert_fails("idle", &["D08", " after 2.", "1012", "restarts"], "jitter");
}

#[tokio::test]
async fn refused_second_websocket_is_a_failure() {
    let handshakes = AtomicU32::new(0);
    let once = MockServer::start(move |request| {
        if request.is_handshake() && handshakes.fetch_add(1, Ordering::Relaxed) > 0 {
            return response(429, "one each");
        }
        request.upgrade(Behavior::Echo)
    });
    let examination = examine(&[&once.await.url("ws"), "--idle", "1"]).await;
    examination.assert_fails("idle", &["W07", "429", "too many"], "sockets_per_client");
}
