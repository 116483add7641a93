use gabion::event::Diagnosis;
use gabion_testkit::TempFolder;

use super::{
    examine,
    mock_server::{Behavior, MockResponse, MockServer, response, response_with},
};
use crate::support::Guard;

/// A status, words of its meaning, and a line of the advice.
const REFUSALS: &[(u16, &str, &str)] = &[
    (
        400,
        "a proxy in between removed the Upgrade header",
        "proxy_set_header Upgrade $http_upgrade;",
    ),
    (
        401,
        "a page cannot set headers",
        "--header 'Cookie: NAME=VALUE'",
    ),
    (
        403,
        "the origin of the page",
        ".setAllowedOrigins(\"https://YOUR.PAGE\")",
    ),
    (404, "no WebSocket on this path", "/ws/websocket"),
    (405, "does not allow GET", ".route(\"/ws\", get("),
    (
        426,
        "a proxy in between removed the Upgrade header",
        "proxy_http_version 1.1;",
    ),
    (429, "too many", "sockets_per_client"),
    (500, "the handler failed", "see its log"),
    (
        502,
        "the server behind it is down",
        "idle_timeout.timeout_seconds",
    ),
    (504, "the server behind it is down", "proxy_pass"),
    (418, "does not open a WebSocket", "addHandler"),
];

#[tokio::test]
async fn refused_handshake_is_reported_with_the_meaning_of_its_status() {
    for &(status, words, change) in REFUSALS {
        let server = MockServer::start(move |_| response(status, "why\r\n\x1b[2Jnot")).await;
        let examination = examine(&[&server.url("ws")]).await;
        let status = status.to_string();
        let words = ["W07", &*status, r#"("why \x1b[2Jnot")"#, words];
        examination.assert_fails("handshake", &words, change);
    }
}

#[tokio::test]
async fn page_instead_of_a_websocket_is_diagnosed() {
    let html = "Content-Type: text/html; charset=utf-8\r\n";
    let page = "<!doctype html><html><head><TITLE> The\napp </TITLE>..";
    let server = MockServer::start(move |_| response_with(200, html, page)).await;
    let examination = examine(&[&server.url("ws")]).await;
    examination.assert_line("note", "GET", &["a page: 200 OK", "\"The app\""]);
    examination.assert_fails(
        "handshake",
        &["W09", "a page instead", "\"The app\""],
        "try_files",
    );

    // A page and a WebSocket on the same path are valid.
    let server = MockServer::start(move |request| {
        if request.is_handshake() {
            request.upgrade(Behavior::Echo)
        } else {
            response_with(200, html, page)
        }
    });
    examine(&[&server.await.url("ws")]).await.assert_ok();
}

#[tokio::test]
async fn redirect_is_diagnosed_with_its_location() {
    for status in [301, 302, 303, 307, 308] {
        let to = "Location: https://app.example/login?\u{9b}2J\r\n";
        let server = MockServer::start(move |_| response_with(status, to, "")).await;
        let examination = examine(&[&server.url("ws")]).await;
        let location = r#""https://app.example/login?\xc2\x9b2J""#;
        examination.assert_fails("handshake", &["W11", location, "do not follow"], location);
    }
    // A redirect of the plain GET alone is valid.
    let server = MockServer::start(|request| {
        if request.is_handshake() {
            request.upgrade(Behavior::Echo)
        } else {
            response_with(302, "Location: /login\r\n", "")
        }
    });
    let examination = examine(&[&server.await.url("ws")]).await;
    examination.assert_ok();
    examination.assert_line("note", "GET", &["302 Found", "\"/login\""]);
}

/// Header lines of an invalid 101, and words of the message.
const INVALID_SWITCHES: &[(&str, &str)] = &[
    (
        "Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n",
        "its Upgrade header is missing",
    ),
    (
        "Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n",
        "Upgrade header is \"h2c\"",
    ),
    (
        "Upgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n",
        "its Connection header is missing",
    ),
    (
        "Upgrade: websocket\r\nConnection: Upgrade\r\n",
        "Sec-WebSocket-Accept header is missing",
    ),
    (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: bm8=\r\n",
        "Sec-WebSocket-Accept header is \"bm8=\"",
    ),
];

#[tokio::test]
async fn switch_that_browsers_reject_is_diagnosed() {
    for &(lines, words) in INVALID_SWITCHES {
        let server = MockServer::start(move |request| match request.header("sec-websocket-key") {
            Some(key) => {
                let accept =
                    tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
                let lines = lines.replace("{accept}", &accept);
                MockResponse::new(format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n"))
            }
            None => response(426, ""),
        });
        let examination = examine(&[&server.await.url("ws")]).await;
        examination.assert_fails(
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
        let server =
            MockServer::start(move |request| request.upgrade_with(line, Behavior::Echo)).await;
        let examination = examine(&[&server.url("ws")]).await;
        examination.assert_fails(
            "handshake",
            &["W08", words, "not offered"],
            "setSupportedProtocols",
        );
    }
}

#[tokio::test]
async fn offered_subprotocol_is_accepted() {
    let line = "Sec-WebSocket-Protocol: mqtt\r\n";
    let server = MockServer::start(move |request| request.upgrade_with(line, Behavior::Echo)).await;
    let header = "Sec-WebSocket-Protocol: v12.stomp, mqtt";
    examine(&[&server.url("ws"), "--header", header])
        .await
        .assert_ok();
}

#[tokio::test]
async fn header_option_is_sent() {
    let server = MockServer::start(|request| match request.header("cookie") {
        Some("session=1") => request.upgrade(Behavior::Echo),
        _ => response(401, ""),
    });
    let server = server.await;
    examine(&[&server.url("ws"), "--header", "Cookie: session=1"])
        .await
        .assert_ok();
    let examination = examine(&[&server.url("ws")]).await;
    examination.assert_fails("handshake", &["W07", "401"], "permitAll");
}

#[tokio::test]
async fn origin_is_the_cause_only_if_the_websocket_opens_without_it() {
    let picky = MockServer::start(|request| match request.header("origin") {
        None | Some("https://app.example") => request.upgrade(Behavior::Echo),
        Some(_) => response(403, "Invalid CORS request"),
    });
    let url = picky.await;
    let url = (url.url("ws"), url);
    let examination = examine(&[&url.0, "--origin", "https://evil.example"]).await;
    let words = ["W06", "the origin https://evil.example is refused"];
    examination.assert_fails("handshake", &words, "origins = [\"https://evil.example\"]");
    // A page URL is reduced to its origin, as browsers do.
    let examination = examine(&[&url.0, "--origin", "https://app.example/chat"]).await;
    examination.assert_ok();
    examination.assert_line("ok", "handshake", &["101 with Origin https://app.example"]);

    let closed = MockServer::start(|_| response(403, "members only")).await;
    let examination = examine(&[&closed.url("ws"), "--origin", "https://app.example"]).await;
    examination.assert_fails(
        "handshake",
        &["W07", "403"],
        "setAllowedOrigins(\"https://app.example\")",
    );
}

#[tokio::test]
async fn denial_of_a_guard_in_front_is_reported_with_its_event_id() {
    let guard = Guard::start(&[]).await;
    let examination = examine(&[&format!("ws://{}/.git/ws", guard.addr())]).await;
    examination.assert_fails(
        "handshake",
        &["W14", "event "],
        "guard explain POLICY 'GET /.git/ws'",
    );
    let event = examination
        .stdout
        .split_once("W14")
        .unwrap()
        .1
        .split_once("event ")
        .unwrap()
        .1;
    guard.logged([&event[..16], "rule=never/history"]).await;
    examine(&[&format!("ws://{}/ws", guard.addr())])
        .await
        .assert_ok();
}

#[tokio::test]
async fn foreign_origin_reported_by_a_guard_is_diagnosed() {
    let folder = TempFolder::new("doctor-origin");
    let policy = "version = 1\n[upgrade]\norigins = ['https://app.example']\n";
    let policy = folder.replace("policy.toml", policy);
    let guard = Guard::start(&["--policy", &policy]).await;
    let url = format!("ws://{}/ws", guard.addr());
    let examination = examine(&[&url, "--origin", "https://evil.example"]).await;
    let words = ["W06", "https://evil.example"];
    examination.assert_fails("handshake", &words, "origins = [\"https://evil.example\"]");
    examine(&[&url, "--origin", "https://app.example"])
        .await
        .assert_ok();
}

/// These diagnoses concern the hops in front of the guard: the handshake of the doctor is complete.
#[tokio::test]
async fn diagnosis_of_a_guard_is_reported() {
    for diagnosis in [
        Diagnosis::HopStripped,
        Diagnosis::Http10Hop,
        Diagnosis::NotNominated,
        Diagnosis::BadHandshake,
    ] {
        let body = format!("Bad Request\n{diagnosis}\nevent 0123456789abcdef\n");
        let server = MockServer::start(move |_| response(400, &body)).await;
        let examination = examine(&[&server.url("ws")]).await;
        let words = [diagnosis.code(), diagnosis.brief()];
        examination.assert_fails(
            "handshake",
            &words,
            "proxy_set_header Connection \"upgrade\";",
        );
    }
    // The same line in the middle of a page is not a diagnosis.
    let body = format!("<p>Bad Request\n{}\n", Diagnosis::HopStripped);
    let server = MockServer::start(move |_| response(400, &body)).await;
    let examination = examine(&[&server.url("ws")]).await;
    examination.assert_fails("handshake", &["W07"], "proxy_set_header");
}
