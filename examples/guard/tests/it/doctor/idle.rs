use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use super::{
    examine,
    stage::{Stage, Then, answer},
};

async fn stage(then: Then) -> Stage {
    Stage::start(move |asked| asked.opened(then)).await
}

#[tokio::test]
async fn socket_that_is_cut_in_silence_is_told_from_one_that_is_not() {
    let timed = stage(Then::CutIdle(Duration::from_secs(2))).await;
    let url = timed.url("ws");
    let examined = examine(&[&url, "--idle", "6"]).await;
    let words = [
        "D01",
        "cut without a close frame",
        " after 2.",
        "s after the last frame",
    ];
    examined.fails("idle", &words, "[upgrade] ping = \"25s\"");
    assert!(examined.said.contains("idle_timeout.timeout_seconds"));
    // A ping each second carries it.
    let examined = examine(&[&url, "--idle", "5", "--ping", "1"]).await;
    examined.is_well();
    examined.says("ok", "idle", &["open after 5 s", "pings answered"]);
    // Nobody asked for the silence.
    let examined = examine(&[&url]).await;
    examined.is_well();
    assert!(!examined.said.contains("idle"), "{}", examined.said);
}

#[tokio::test]
async fn ping_that_comes_too_late_is_told_from_a_socket_that_is_too_old() {
    let timed = stage(Then::CutIdle(Duration::from_secs(2))).await;
    let examined = examine(&[&timed.url("ws"), "--idle", "6", "--ping", "3"]).await;
    examined.fails(
        "idle",
        &["D03", "a ping each 3 s is too seldom"],
        "proxy_read_timeout 75s;",
    );

    let aged = stage(Then::CutAged(Duration::from_millis(3500))).await;
    let examined = examine(&[&aged.url("ws"), "--idle", "6", "--ping", "1"]).await;
    examined.fails(
        "idle",
        &["D07", "one of age", "pings answered"],
        "max_stream_duration",
    );
}

#[tokio::test]
async fn pings_that_stay_unanswered_are_counted() {
    let mute = stage(Then::Mute).await;
    let examined = examine(&[&mute.url("ws"), "--idle", "3", "--ping", "1"]).await;
    assert_eq!(examined.status, Some(1));
    examined.says("failed", "idle", &["D04", "no pong to"]);
}

#[tokio::test]
async fn close_in_silence_is_told_with_its_code() {
    let drained = stage(Then::CloseIdle(Duration::from_secs(2), 1012)).await;
    let examined = examine(&[&drained.url("ws"), "--idle", "6"]).await;
    examined.fails("idle", &["D08", " after 2.", "1012", "restarts"], "jitter");
}

#[tokio::test]
async fn second_socket_that_is_refused_is_a_failure() {
    let handshakes = AtomicU32::new(0);
    let once = Stage::start(move |asked| {
        if asked.is_handshake() && handshakes.fetch_add(1, Ordering::Relaxed) > 0 {
            return answer(429, "one each");
        }
        asked.opened(Then::Echo)
    });
    let examined = examine(&[&once.await.url("ws"), "--idle", "1"]).await;
    examined.fails("idle", &["W07", "429", "too many"], "sockets_per_client");
}
