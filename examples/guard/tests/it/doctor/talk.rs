use super::{
    examine,
    stage::{Stage, Then},
};

#[tokio::test]
async fn echo_is_told_from_a_service_that_is_none() {
    let echo = Stage::start(|asked| asked.opened(Then::Echo)).await;
    let examined = examine(&[&echo.url("ws")]).await;
    examined.is_well();
    examined.says("ok", "ping", &["its pong came"]);
    examined.says("ok", "echo", &["a text came back"]);

    // It answers pings, and knows no such text.
    let none = Stage::start(|asked| asked.opened(Then::Pong)).await;
    let examined = examine(&[&none.url("ws")]).await;
    examined.is_well();
    examined.says("note", "echo", &["no echo", "not answered"]);

    let strict = Stage::start(|asked| asked.opened(Then::CloseAtText(1003))).await;
    let examined = examine(&[&strict.url("ws")]).await;
    examined.is_well();
    examined.says("note", "echo", &["closed with 1003"]);
}

#[tokio::test]
async fn server_that_answers_no_pings_is_named() {
    let mute = Stage::start(|asked| asked.opened(Then::Mute)).await;
    let examined = examine(&[&mute.url("ws")]).await;
    examined.fails(
        "ping",
        &["D04", "no pong to 1 ping in 5 s"],
        "keep calling socket.recv()",
    );
}

/// A code, its diagnosis, what it means, and what to change.
const CLOSES: &[(u16, &str, &str, &str)] = &[
    (1000, "D05", "its work was done", "its log"),
    (1001, "D05", "goes away", "reconnect"),
    (1008, "D05", "a policy forbids it", "Cookie"),
    (1009, "D06", "too big", "setMaxTextMessageBufferSize"),
    (1011, "D05", "its handler failed", "its log"),
    (1012, "D08", "restarts", "reconnect"),
    (1013, "D05", "overloaded", "reconnect"),
    (4401, "D05", "the service's own code", "its log"),
];

#[tokio::test]
async fn close_at_once_is_told_with_what_its_code_means() {
    for &(code, diagnosis, words, change) in CLOSES {
        let stage = Stage::start(move |asked| asked.opened(Then::Close(code)));
        let examined = examine(&[&stage.await.url("ws")]).await;
        let code = code.to_string();
        let words = [
            diagnosis,
            "at once",
            &*code,
            "saying \"by the test\"",
            words,
        ];
        examined.fails("ping", &words, change);
    }
}

#[tokio::test]
async fn socket_that_is_cut_at_once_is_no_wrong_frame() {
    let cut = Stage::start(|asked| asked.opened(Then::End)).await;
    let examined = examine(&[&cut.url("ws")]).await;
    examined.fails("ping", &["cut without a close frame"], "a panic");

    let garbage = Stage::start(|asked| {
        let mut opened = asked.opened(Then::Mute);
        opened.add(b"\xf3\x7fnot a frame");
        opened
    });
    let examined = examine(&[&garbage.await.url("ws")]).await;
    examined.fails(
        "ping",
        &["no WebSocket frame"],
        "leave the handshake to a library",
    );
}
