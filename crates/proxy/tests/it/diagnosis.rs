//! Diagnoses of WebSockets that do not open, as events and in the response body.

use std::{sync::Arc, time::Duration};

use gabion_core::{Diagnosis, Event};
use gabion_proxy::{ProxyOptions, ServeOptions};
use gabion_testkit::{RawServer, Recorder};
use http::{HeaderName, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::ext::Protocol;

use crate::{
    http2::empty,
    support::{Setup, connect_http2, proxy_before},
    websocket::{self, HANDSHAKE, SWITCHING},
};

const GET: &str = "GET /ws HTTP/1.1\r\nHost: a\r\n\r\n";

pub(crate) fn recording(options: ProxyOptions) -> (Arc<Recorder>, Setup) {
    let recorder = Arc::<Recorder>::default();
    let setup = Setup {
        proxy: options.with_sink(recorder.clone()),
        ..Setup::with_http2()
    };
    (recorder, setup)
}

/// Takes the recorded diagnoses with their observations, without the failures of the proxy beside them.
/// All clients are on this host.
pub(crate) fn diagnosed(recorder: &Recorder) -> Vec<(Diagnosis, String)> {
    let diagnosed = recorder.take().into_iter().filter_map(|event| match event {
        Event::Diagnosis(event) => {
            assert!(event.client.is_loopback());
            Some((event.diagnosis, event.seen.into_owned()))
        }
        Event::ProxyFailure(_) => None,
        other => panic!("{other}"),
    });
    diagnosed.collect()
}

#[tokio::test]
async fn rejection_by_the_upstream_is_diagnosed_and_forwarded_unchanged() {
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
        let (recorder, setup) = recording(ProxyOptions::default());
        let backend = RawServer::bind().await;
        let front = setup.before(&backend.url());
        let mut client = front.connect().await;
        client.send(HANDSHAKE).await;
        let body = if answer.starts_with("304") { "" } else { "own" };
        let length = body.len();
        let whole = format!("HTTP/1.1 {answer}\r\nContent-Length: {length}\r\n\r\n{body}");
        let (_upstream, _) = backend.answer(&whole).await;
        let head = client.head().await;
        let (first, _) = answer.split_once("\r\n").unwrap_or((answer, ""));
        assert!(head.starts_with(&format!("HTTP/1.1 {first}\r\n")), "{head}");
        assert_eq!(client.end().await, body);
        let seen = format!("the upstream answered {}", &answer[..3]);
        assert_eq!(diagnosed(&recorder), [(diagnosis, seen)]);
    }
}

#[tokio::test]
async fn diagnosis_contains_client_path_observation_and_advice() {
    let (recorder, setup) = recording(ProxyOptions::default());
    let backend = RawServer::bind().await;
    let front = setup.before(&backend.url());
    let mut client = front.connect().await;
    client.send(HANDSHAKE).await;
    backend
        .answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        .await;
    client.head().await;
    let [words] = &recorder.take_texts()[..] else {
        panic!("not one event")
    };
    for part in [
        "W07: ",
        "(127.0.0.1, \"/ws\"): the upstream answered 403; ",
        "setAllowedOrigins",
    ] {
        assert!(words.contains(part), "{words}");
    }
}

#[tokio::test]
async fn success_and_plain_requests_are_not_diagnosed() {
    let (recorder, setup) = recording(ProxyOptions::default());
    let backend = RawServer::bind().await;
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
async fn invalid_101_response_is_diagnosed_in_the_response_body() {
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
        let (recorder, setup) = recording(ProxyOptions::default());
        let backend = RawServer::bind().await;
        let front = setup.before(&backend.url());
        let mut client = front.connect().await;
        client.send(HANDSHAKE).await;
        backend.answer(&SWITCHING.replace(right, wrong)).await;
        let answer = client.end().await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        let words =
            "\nW08: the handshake response of the upstream server does not match the request\n";
        assert!(answer.ends_with(words), "{answer}");
        let diagnosed = diagnosed(&recorder);
        assert!(
            matches!(&diagnosed[..], [(Diagnosis::WrongSwitch, _)]),
            "{diagnosed:?}"
        );
    }
}

#[tokio::test]
async fn page_instead_of_a_websocket_over_http2_is_diagnosed() {
    let (recorder, setup) = recording(ProxyOptions::default());
    let backend = RawServer::bind().await;
    let front = setup.before(&backend.url());
    let mut sender = connect_http2(&front).await;
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n";
    let get = Request::get("http://a/").body(empty()).unwrap();
    let (warm, (mut kept, _)) = tokio::join!(sender.send_request(get), backend.answer(page));
    drop(warm.unwrap());
    let handshake = Request::builder()
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
    let (response, ()) = tokio::join!(sender.send_request(handshake), answer);
    let response = response.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(
        body.ends_with(b"\nW09: the upstream server answered with a page instead of a WebSocket\n")
    );
    let diagnosed = diagnosed(&recorder);
    assert!(
        matches!(&diagnosed[..], [(Diagnosis::PageInstead, _)]),
        "{diagnosed:?}"
    );
}

/// The SETTINGS frame that servers send first, and the GOAWAY after HTTP/1 bytes.
const SETTINGS: &[u8] = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64\
    \0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01";

#[tokio::test]
async fn http2_only_upstream_is_diagnosed() {
    for (handshake, expected) in [(HANDSHAKE, 1), (GET, 0)] {
        for is_early in [true, false] {
            let (recorder, setup) = recording(ProxyOptions::default());
            let backend = RawServer::bind().await;
            let front = setup.before(&backend.url());
            let mut client = front.connect().await;
            client.send(handshake).await;
            let mut upstream = backend.accept().await;
            if !is_early {
                upstream.head().await;
            }
            upstream.send(SETTINGS).await;
            let head = client.head().await;
            assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
            client
                .until("\nW10: the upstream server accepts HTTP/2 only\n")
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
async fn other_invalid_upstream_bytes_are_not_diagnosed_as_http2() {
    for nonsense in [
        &b"\0\0\x06\x05\0\0\0\0\0"[..],
        b"\0\0",
        b"SSH-2.0-x\r\n",
        b"\x15\x03\x01\0\x02\x02\x46",
    ] {
        let (recorder, setup) = recording(ProxyOptions::default());
        let backend = RawServer::bind().await;
        let front = setup.before(&backend.url());
        let mut client = front.connect().await;
        client.send(HANDSHAKE).await;
        let mut upstream = backend.accept().await;
        upstream.head().await;
        upstream.send(nonsense).await;
        drop(upstream);
        let answer = client.end().await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert!(!answer.contains("W10"), "{answer}");
        assert_eq!(diagnosed(&recorder), []);
    }
}

#[tokio::test]
async fn tls_on_a_plain_port_is_diagnosed() {
    let recorder = Arc::<Recorder>::default();
    let serve = ServeOptions::default().with_sink(recorder.clone());
    let front = Setup {
        serve,
        ..Setup::default()
    }
    .before("http://127.0.0.1:1");
    let mut client = front.connect().await;
    client.send(b"\x16\x03\x01\x02\0").await;
    client.head().await;
    let seen = "TLS was sent to a port that accepts plain HTTP only".to_owned();
    assert_eq!(diagnosed(&recorder), [(Diagnosis::NoHandshake, seen)]);
    let mut plain = front.connect().await;
    plain.send("no HTTP\r\n\r\n").await;
    plain.end().await;
    let mut others = recorder.take().into_iter();
    assert!(!others.any(|event| matches!(event, Event::Diagnosis(_))));
}

#[tokio::test]
async fn handshake_during_a_drain_is_503_with_retry_after() {
    let (recorder, setup) = recording(ProxyOptions::default());
    let backend = RawServer::bind().await;
    let front = setup.before(&backend.url());
    let (begin, rest) = HANDSHAKE.split_at(30);
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
    // A plain request is still served.
    page.send("Host: a\r\n\r\n").await;
    backend
        .answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .await;
    assert!(page.end().await.ends_with("\r\n\r\nok"));
}

#[tokio::test]
async fn proxy_without_a_sink_forwards_rejections() {
    let backend = RawServer::bind().await;
    let front = proxy_before(&backend);
    let mut client = front.connect().await;
    client.send(HANDSHAKE).await;
    backend
        .answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 404 "));
}
