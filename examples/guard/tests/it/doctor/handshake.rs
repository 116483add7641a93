use gabion::event::Diagnosis;

use super::{
    examine,
    stage::{Answer, Stage, Then, answer, answer_with},
};
use crate::support::{Folder, Guard};

/// A status, what it means, and a line to change.
const REFUSALS: &[(u16, &str, &str)] = &[
    (
        400,
        "a proxy in between has dropped Upgrade",
        "proxy_set_header Upgrade $http_upgrade;",
    ),
    (
        401,
        "a page cannot set headers",
        "--header 'Cookie: NAME=VALUE'",
    ),
    (
        403,
        "the page's origin",
        ".setAllowedOrigins(\"https://YOUR.PAGE\")",
    ),
    (404, "no WebSocket on this path", "/ws/websocket"),
    (405, "not with GET", ".route(\"/ws\", get("),
    (
        426,
        "a proxy in between has dropped Upgrade",
        "proxy_http_version 1.1;",
    ),
    (429, "too many", "sockets_per_client"),
    (500, "the handler failed", "its log"),
    (
        502,
        "the server behind it is down",
        "idle_timeout.timeout_seconds",
    ),
    (504, "the server behind it is down", "proxy_pass"),
    (418, "does not open a WebSocket", "addHandler"),
];

#[tokio::test]
async fn refusal_is_told_with_what_its_status_means() {
    for &(status, words, change) in REFUSALS {
        let stage = Stage::start(move |_| answer(status, "why\r\n\x1b[2Jnot")).await;
        let examined = examine(&[&stage.url("ws")]).await;
        let status = status.to_string();
        let words = ["W07", &*status, r#"saying "why \x1b[2Jnot""#, words];
        examined.fails("handshake", &words, change);
    }
}

#[tokio::test]
async fn page_instead_of_a_websocket_is_named() {
    let html = "Content-Type: text/html; charset=utf-8\r\n";
    let page = "<!doctype html><html><head><TITLE> The\napp </TITLE>..";
    let stage = Stage::start(move |_| answer_with(200, html, page)).await;
    let examined = examine(&[&stage.url("ws")]).await;
    examined.says("note", "GET", &["a page: 200 OK", "\"The app\""]);
    examined.fails(
        "handshake",
        &["W09", "a page instead", "\"The app\""],
        "try_files",
    );

    // A page for readers beside a socket for its script is honest.
    let stage = Stage::start(move |asked| {
        if asked.is_handshake() {
            asked.opened(Then::Echo)
        } else {
            answer_with(200, html, page)
        }
    });
    examine(&[&stage.await.url("ws")]).await.is_well();
}

#[tokio::test]
async fn redirect_is_named_with_its_place() {
    for status in [301, 302, 303, 307, 308] {
        let to = "Location: https://app.example/login?\u{9b}2J\r\n";
        let stage = Stage::start(move |_| answer_with(status, to, "")).await;
        let examined = examine(&[&stage.url("ws")]).await;
        let place = r#""https://app.example/login?\xc2\x9b2J""#;
        examined.fails("handshake", &["W11", place, "do not follow"], place);
    }
    // A plain GET may well be sent elsewhere.
    let stage = Stage::start(|asked| {
        if asked.is_handshake() {
            asked.opened(Then::Echo)
        } else {
            answer_with(302, "Location: /login\r\n", "")
        }
    });
    let examined = examine(&[&stage.await.url("ws")]).await;
    examined.is_well();
    examined.says("note", "GET", &["302 Found", "\"/login\""]);
}

/// What may be wrong with a 101, and a word of the sentence.
const WRONG: &[(&str, &str)] = &[
    (
        "Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n",
        "its Upgrade says nothing",
    ),
    (
        "Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n",
        "Upgrade says \"h2c\"",
    ),
    (
        "Upgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n",
        "its Connection says nothing",
    ),
    (
        "Upgrade: websocket\r\nConnection: Upgrade\r\n",
        "Sec-WebSocket-Accept says nothing",
    ),
    (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: bm8=\r\n",
        "Sec-WebSocket-Accept says \"bm8=\"",
    ),
];

#[tokio::test]
async fn switch_that_no_browser_takes_is_named() {
    for &(lines, words) in WRONG {
        let stage = Stage::start(move |asked| match asked.header("sec-websocket-key") {
            Some(key) => {
                let accept =
                    tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
                let lines = lines.replace("{accept}", &accept);
                Answer::of(format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n"))
            }
            None => answer(426, ""),
        });
        let examined = examine(&[&stage.await.url("ws")]).await;
        examined.fails(
            "handshake",
            &["W08", words],
            "leave the handshake to a library",
        );
    }
    for (line, words) in [
        (
            "Sec-WebSocket-Extensions: permessage-deflate\r\n",
            "permessage-deflate",
        ),
        ("Sec-WebSocket-Protocol: mqtt\r\n", "mqtt"),
    ] {
        let stage = Stage::start(move |asked| asked.opened_with(line, Then::Echo)).await;
        let examined = examine(&[&stage.url("ws")]).await;
        examined.fails(
            "handshake",
            &["W08", words, "not offered"],
            "setSupportedProtocols",
        );
    }
}

#[tokio::test]
async fn protocol_that_was_offered_may_be_chosen() {
    let line = "Sec-WebSocket-Protocol: mqtt\r\n";
    let stage = Stage::start(move |asked| asked.opened_with(line, Then::Echo)).await;
    let header = "Sec-WebSocket-Protocol: v12.stomp, mqtt";
    examine(&[&stage.url("ws"), "--header", header])
        .await
        .is_well();
}

#[tokio::test]
async fn header_goes_along() {
    let stage = Stage::start(|asked| match asked.header("cookie") {
        Some("session=1") => asked.opened(Then::Echo),
        _ => answer(401, ""),
    });
    let stage = stage.await;
    examine(&[&stage.url("ws"), "--header", "Cookie: session=1"])
        .await
        .is_well();
    let examined = examine(&[&stage.url("ws")]).await;
    examined.fails("handshake", &["W07", "401"], "permitAll");
}

#[tokio::test]
async fn origin_is_blamed_only_where_it_opens_without() {
    let picky = Stage::start(|asked| match asked.header("origin") {
        None | Some("https://app.example") => asked.opened(Then::Echo),
        Some(_) => answer(403, "Invalid CORS request"),
    });
    let url = picky.await;
    let url = (url.url("ws"), url);
    let examined = examine(&[&url.0, "--origin", "https://evil.example"]).await;
    let words = ["W06", "because the page is of https://evil.example"];
    examined.fails("handshake", &words, "origins = [\"https://evil.example\"]");
    // A page is cut down to its origin, as browsers do.
    let examined = examine(&[&url.0, "--origin", "https://app.example/chat"]).await;
    examined.is_well();
    examined.says("ok", "handshake", &["for a page of https://app.example"]);

    let closed = Stage::start(|_| answer(403, "members only")).await;
    let examined = examine(&[&closed.url("ws"), "--origin", "https://app.example"]).await;
    examined.fails(
        "handshake",
        &["W07", "403"],
        "setAllowedOrigins(\"https://app.example\")",
    );
}

#[tokio::test]
async fn guard_in_front_says_which_rule_to_look_for() {
    let guard = Guard::start(&[]).await;
    let examined = examine(&[&format!("ws://{}/.git/ws", guard.addr())]).await;
    examined.fails(
        "handshake",
        &["W14", "event "],
        "guard explain POLICY 'GET /.git/ws'",
    );
    let event = examined
        .said
        .split_once("W14")
        .unwrap()
        .1
        .split_once("event ")
        .unwrap()
        .1;
    guard.logged([&event[..16], "rule=never/history"]).await;
    examine(&[&format!("ws://{}/ws", guard.addr())])
        .await
        .is_well();
}

#[tokio::test]
async fn guard_in_front_tells_of_a_foreign_origin() {
    let folder = Folder::new("doctor-origin");
    let policy = "version = 1\n[upgrade]\norigins = ['https://app.example']\n";
    let policy = folder.write("policy.toml", policy);
    let guard = Guard::start(&["--policy", &policy]).await;
    let url = format!("ws://{}/ws", guard.addr());
    let examined = examine(&[&url, "--origin", "https://evil.example"]).await;
    let words = ["W06", "https://evil.example"];
    examined.fails("handshake", &words, "origins = [\"https://evil.example\"]");
    examine(&[&url, "--origin", "https://app.example"])
        .await
        .is_well();
}

/// What only a server sees: the doctor's own handshake is whole.
#[tokio::test]
async fn what_a_guard_says_of_the_hops_in_front_is_passed_on() {
    for told in [
        Diagnosis::HopStripped,
        Diagnosis::Http10Hop,
        Diagnosis::NotNominated,
        Diagnosis::BadHandshake,
    ] {
        let body = format!("Bad Request\n{told}\nevent 0123456789abcdef\n");
        let stage = Stage::start(move |_| answer(400, &body)).await;
        let examined = examine(&[&stage.url("ws")]).await;
        let words = [told.code(), told.brief()];
        examined.fails(
            "handshake",
            &words,
            "proxy_set_header Connection \"upgrade\";",
        );
    }
    // The same words in a page are the page's.
    let body = format!("<p>Bad Request\n{}\n", Diagnosis::HopStripped);
    let stage = Stage::start(move |_| answer(400, &body)).await;
    let examined = examine(&[&stage.url("ws")]).await;
    examined.fails("handshake", &["W07"], "proxy_set_header");
}
