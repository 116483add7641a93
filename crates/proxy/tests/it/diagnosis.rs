//! Why a WebSocket does not open, said to who listens, and to its client where the answer is ours.

use std::{sync::Arc, time::Duration};

use gabion_core::{Diagnosis, Event};
use gabion_proxy::{ProxyOptions, ServeOptions};
use gabion_testkit::Recorder;
use http::{HeaderName, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::ext::Protocol;

use crate::{
    http2::empty,
    support::{Backend, Front, Setup},
    websocket::{self, ACCEPT, ASK},
};

const GET: &str = "GET /ws HTTP/1.1\r\nHost: a\r\n\r\n";

pub(crate) fn told(options: ProxyOptions) -> (Arc<Recorder>, Setup) {
    let recorder = Arc::<Recorder>::default();
    let setup = Setup {
        proxy: options.with_sink(recorder.clone()),
        ..Setup::with_http2()
    };
    (recorder, setup)
}

/// What was diagnosed, and seen, of clients on this host.
pub(crate) fn diagnosed(recorder: &Recorder) -> Vec<(Diagnosis, String)> {
    let diagnosed = recorder.take().into_iter().map(|event| match event {
        Event::Diagnosis(event) => {
            assert!(event.client.is_loopback());
            (event.diagnosis, event.seen.into_owned())
        }
        other => panic!("{other}"),
    });
    diagnosed.collect()
}

#[tokio::test]
async fn refusal_of_the_upstream_is_diagnosed_and_passed_on_as_it_is() {
    for (answer, diagnosis) in [
        (
            "404 Not Found\r\nContent-Type: text/html",
            Diagnosis::Refused,
        ),
        ("403 Forbidden", Diagnosis::Refused),
        (
            "401 Unauthorized\r\nWWW-Authenticate: Basic",
            Diagnosis::Refused,
        ),
        ("426 Upgrade Required", Diagnosis::Refused),
        ("500 Internal Server Error", Diagnosis::Refused),
        (
            "200 OK\r\nContent-Type: application/json",
            Diagnosis::Refused,
        ),
        (
            "200 OK\r\nContent-Type: Text/HTML ; charset=utf-8",
            Diagnosis::PageInstead,
        ),
        (
            "301 Moved Permanently\r\nLocation: https://a/ws",
            Diagnosis::Redirected,
        ),
        (
            "308 Permanent Redirect\r\nLocation: /ws/",
            Diagnosis::Redirected,
        ),
        ("304 Not Modified", Diagnosis::Refused),
    ] {
        let (recorder, setup) = told(ProxyOptions::default());
        let backend = Backend::bind().await;
        let front = setup.before(&backend.url());
        let mut client = front.connect().await;
        client.send(ASK).await;
        let body = if answer.starts_with("304") { "" } else { "own" };
        let length = body.len();
        let whole = format!("HTTP/1.1 {answer}\r\nContent-Length: {length}\r\n\r\n{body}");
        let (_upstream, _) = backend.answer(&whole).await;
        let head = client.head().await;
        let (first, _) = answer.split_once("\r\n").unwrap_or((answer, ""));
        assert!(head.starts_with(&format!("HTTP/1.1 {first}\r\n")), "{head}");
        assert_eq!(client.end().await, body);
        let seen = format!("it answered {}", &answer[..3]);
        assert_eq!(diagnosed(&recorder), [(diagnosis, seen)]);
    }
}

#[tokio::test]
async fn diagnosis_names_who_asked_for_what_and_what_to_change() {
    let (recorder, setup) = told(ProxyOptions::default());
    let backend = Backend::bind().await;
    let front = setup.before(&backend.url());
    let mut client = front.connect().await;
    client.send(ASK).await;
    backend
        .answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        .await;
    client.head().await;
    let [words] = &recorder.take_words()[..] else {
        panic!("not one event")
    };
    for part in [
        "W07: ",
        "127.0.0.1 on /ws (it answered 403)",
        "setAllowedOrigins",
    ] {
        assert!(words.contains(part), "{words}");
    }
}

#[tokio::test]
async fn what_is_no_refusal_is_not_diagnosed() {
    let (recorder, setup) = told(ProxyOptions::default());
    let backend = Backend::bind().await;
    let front = setup.before(&backend.url());
    let _open = websocket::open(&backend, &front).await;
    let mut client = front.connect().await;
    client.send(GET).await;
    let page = "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n";
    backend.answer(page).await;
    client.head().await;
    assert_eq!(diagnosed(&recorder), []);
}

#[tokio::test]
async fn wrong_acceptance_is_told_to_the_client_too() {
    for (right, wrong) in [
        (
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ),
        ("Upgrade: websocket", "Upgrade: tcp"),
        ("Connection: Upgrade", "Connection: close"),
        ("Protocol: chat", "Protocol: superchat"),
        ("Protocol: chat", "Extensions: permessage-deflate"),
    ] {
        let (recorder, setup) = told(ProxyOptions::default());
        let backend = Backend::bind().await;
        let front = setup.before(&backend.url());
        let mut client = front.connect().await;
        client.send(ASK).await;
        backend.answer(&ACCEPT.replace(right, wrong)).await;
        let answer = client.end().await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        let words = "\nW08: the server behind opened another WebSocket than was asked for\n";
        assert!(answer.ends_with(words), "{answer}");
        let diagnosed = diagnosed(&recorder);
        assert!(
            matches!(&diagnosed[..], [(Diagnosis::WrongSwitch, _)]),
            "{diagnosed:?}"
        );
    }
}

#[tokio::test]
async fn page_instead_of_a_socket_over_http2_is_told() {
    let (recorder, setup) = told(ProxyOptions::default());
    let backend = Backend::bind().await;
    let front = setup.before(&backend.url());
    let mut sender = front.connect_http2().await;
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n";
    let get = Request::get("http://a/").body(empty()).unwrap();
    let (warm, (mut kept, _)) = tokio::join!(sender.send_request(get), backend.answer(page));
    drop(warm.unwrap());
    let ask = Request::builder()
        .method(Method::CONNECT)
        .uri("http://a/ws")
        .extension(Protocol::from_static("websocket"))
        .header(HeaderName::from_static("sec-websocket-version"), "13")
        .body(empty())
        .unwrap();
    let answer = async {
        kept.head().await;
        kept.send(page).await;
    };
    let (response, ()) = tokio::join!(sender.send_request(ask), answer);
    let response = response.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.ends_with(b"\nW09: the server behind answered with a page, not a WebSocket\n"));
    let diagnosed = diagnosed(&recorder);
    assert!(
        matches!(&diagnosed[..], [(Diagnosis::PageInstead, _)]),
        "{diagnosed:?}"
    );
}

/// SETTINGS as servers send them before all else, and then what such a server makes of HTTP/1.
const SETTINGS: &[u8] = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64\
    \0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01";

#[tokio::test]
async fn upstream_that_speaks_http2_only_is_told_by_name() {
    for (ask, expected) in [(ASK, 1), (GET, 0)] {
        for is_early in [true, false] {
            let (recorder, setup) = told(ProxyOptions::default());
            let backend = Backend::bind().await;
            let front = setup.before(&backend.url());
            let mut client = front.connect().await;
            client.send(ask).await;
            let mut upstream = backend.accept().await;
            if !is_early {
                upstream.head().await;
            }
            upstream.send_bytes(SETTINGS).await;
            let head = client.head().await;
            assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
            client
                .until("\nW10: the server behind speaks HTTP/2 only\n")
                .await;
            let diagnosed = diagnosed(&recorder);
            assert_eq!(diagnosed.len(), expected, "{diagnosed:?}");
            for (diagnosis, _) in diagnosed {
                assert_eq!(diagnosis, Diagnosis::OnlyHttp2);
            }
        }
    }
}

#[tokio::test]
async fn other_nonsense_of_an_upstream_is_no_http2() {
    for nonsense in [
        &b"\0\0\x06\x05\0\0\0\0\0"[..],
        b"\0\0",
        b"SSH-2.0-x\r\n",
        b"\x15\x03\x01\0\x02\x02\x46",
    ] {
        let (recorder, setup) = told(ProxyOptions::default());
        let backend = Backend::bind().await;
        let front = setup.before(&backend.url());
        let mut client = front.connect().await;
        client.send(ASK).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send_bytes(nonsense).await;
        drop(upstream);
        let answer = client.end().await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert!(!answer.contains("W10"), "{answer}");
        assert_eq!(diagnosed(&recorder), []);
    }
}

#[tokio::test]
async fn tls_on_a_plain_port_is_told() {
    let recorder = Arc::<Recorder>::default();
    let serve = ServeOptions::default().with_sink(recorder.clone());
    let front = Setup {
        serve,
        ..Setup::default()
    }
    .before("http://127.0.0.1:1");
    let mut client = front.connect().await;
    client.send_bytes(b"\x16\x03\x01\x02\0").await;
    client.head().await;
    let seen = "TLS came to a plain port".to_owned();
    assert_eq!(diagnosed(&recorder), [(Diagnosis::NoHandshake, seen)]);
    let mut plain = front.connect().await;
    plain.send("no HTTP\r\n\r\n").await;
    plain.end().await;
    assert_eq!(diagnosed(&recorder), []);
}

#[tokio::test]
async fn handshake_while_the_server_drains_is_told_to_come_back() {
    let (recorder, setup) = told(ProxyOptions::default());
    let backend = Backend::bind().await;
    let front = setup.before(&backend.url());
    let (begin, rest) = ASK.split_at(30);
    let [mut socket, mut page] = [front.connect().await, front.connect().await];
    socket.send(begin).await;
    page.send("GET / HTTP/1.1\r\n").await;
    socket.quiet(Duration::from_millis(100)).await;
    let _drained = front.stop(Duration::from_mins(1));
    socket.quiet(Duration::from_millis(100)).await;
    socket.send(rest).await;
    let answer = socket.end().await;
    assert!(
        answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
        "{answer}"
    );
    for line in ["retry-after: 1", "connection: close"] {
        assert!(answer.contains(&format!("\r\n{line}\r\n")), "{answer}");
    }
    assert!(answer.ends_with("\nD08: the server restarts\n"), "{answer}");
    let diagnosed = diagnosed(&recorder);
    assert!(
        matches!(&diagnosed[..], [(Diagnosis::Drained, _)]),
        "{diagnosed:?}"
    );
    // What is no socket is still served.
    page.send("Host: a\r\n\r\n").await;
    backend
        .answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .await;
    assert!(page.end().await.ends_with("\r\n\r\nok"));
}

#[tokio::test]
async fn nobody_needs_to_listen() {
    let backend = Backend::bind().await;
    let front = Front::before(&backend);
    let mut client = front.connect().await;
    client.send(ASK).await;
    backend
        .answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 404 "));
}
