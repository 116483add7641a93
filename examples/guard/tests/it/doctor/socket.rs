use super::{
    examine,
    mock_server::{Behavior, MockServer},
};

#[tokio::test]
async fn echo_and_other_services_are_distinguished() {
    let echo = MockServer::start(|request| request.upgrade(Behavior::Echo)).await;
    let examination = examine(&[&echo.url("ws")]).await;
    examination.assert_ok();
    examination.assert_line("ok", "ping", &["pong after "]);
    examination.assert_line("ok", "echo", &["echo after "]);

    // A service that answers pings and ignores the text.
    let none = MockServer::start(|request| request.upgrade(Behavior::Pong)).await;
    let examination = examine(&[&none.url("ws")]).await;
    examination.assert_ok();
    examination.assert_line("note", "echo", &["no echo: no reply to a text"]);

    let strict = MockServer::start(|request| request.upgrade(Behavior::CloseAtText(1003))).await;
    let examination = examine(&[&strict.url("ws")]).await;
    examination.assert_ok();
    examination.assert_line("note", "echo", &["closed with 1003"]);
}

#[tokio::test]
async fn missing_pong_is_diagnosed() {
    let mute = MockServer::start(|request| request.upgrade(Behavior::Mute)).await;
    let examination = examine(&[&mute.url("ws")]).await;
    examination.assert_fails(
        "ping",
        &["D04", "no pong to 1 ping in 5 s"],
        "keep calling socket.recv()",
    );
}

/// A close code, its diagnosis, words of its meaning, and words of the advice.
const CLOSES: &[(u16, &str, &str, &str)] = &[
    (1000, "D05", "its work was done", "see its log"),
    (1001, "D05", "going away", "reconnect"),
    (1008, "D05", "a policy forbids it", "Cookie"),
    (1009, "D06", "too big", "setMaxTextMessageBufferSize"),
    (1011, "D05", "the handler failed", "see its log"),
    (1012, "D08", "restarts", "reconnect"),
    (1013, "D05", "overloaded", "reconnect"),
    (4401, "D05", "a code of the service", "see its log"),
];

#[tokio::test]
async fn close_after_the_handshake_is_reported_with_the_meaning_of_its_code() {
    for &(code, diagnosis, words, change) in CLOSES {
        let server = MockServer::start(move |request| request.upgrade(Behavior::Close(code)));
        let examination = examine(&[&server.await.url("ws")]).await;
        let code = code.to_string();
        let words = [
            diagnosis,
            "right after it opened",
            &*code,
            "(\"by the test\")",
            words,
        ];
        examination.assert_fails("ping", &words, change);
    }
}

#[tokio::test]
async fn cut_and_invalid_frame_are_distinguished() {
    let cut = MockServer::start(|request| request.upgrade(Behavior::End)).await;
    let examination = examine(&[&cut.url("ws")]).await;
    examination.assert_fails("ping", &["cut without a close frame"], "a panic");

    let garbage = MockServer::start(|request| {
        let mut upgrade = request.upgrade(Behavior::Mute);
        upgrade.add(b"\xf3\x7fnot a frame");
        upgrade
    });
    let examination = examine(&[&garbage.await.url("ws")]).await;
    examination.assert_fails(
        "ping",
        &["not a WebSocket frame"],
        "leave the handshake to a library",
    );
}
