//! What a request offers to become, and how a refusal of it is said.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop"
)]

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use gabion_core::{
    Cause, ClientRules, Denial, Facts, Framing, Inspect, Mode, OnFault, Reason, RequestState,
    RuleId, Snapshot, Upgrade, Verdict,
};
use gabion_inspect::ProtocolRules;
use gabion_testkit::peer;
use gabion_tower::{GuardLayer, guard_layer};
use http::{HeaderMap, Request, Response, Version};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};

/// Passes in every way there is, by the path.
struct Lets;

impl Inspect for Lets {
    fn name(&self) -> &'static str {
        "lets"
    }

    fn inspect(&self, facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        assert_ne!(facts.upgrade, Upgrade::None, "it is judged as it was sent");
        match facts.path.raw() {
            b"/allow" => Verdict::Allow(Cause::new(RuleId::builtin("lets"), Reason::Prefix)),
            b"/would" => Denial::forbidden("lets", "not")
                .with_mode(Mode::Observe)
                .into(),
            b"/panic" => panic!("at the disco"),
            _ => Verdict::Pass,
        }
    }
}

fn get(target: &str, lines: &[(&'static str, &'static str)]) -> Request<()> {
    let ask = Request::get(target).extension(peer("203.0.113.9"));
    let ask = ask.header("host", "a");
    let ask = lines
        .iter()
        .fold(ask, |ask, line| ask.header(line.0, line.1));
    ask.body(()).unwrap()
}

/// What the service behind `layer` is told; nothing where it is not asked.
async fn reaches(layer: &GuardLayer, request: Request<()>) -> HeaderMap {
    let inner = service_fn(|request: Request<()>| async move {
        let mut response = Response::new(Full::<Bytes>::default());
        *response.headers_mut() = request.headers().clone();
        Ok::<_, Infallible>(response)
    });
    let answer = layer.layer(inner).oneshot(request).await;
    answer.unwrap().headers().clone()
}

/// The answer to a request that ProtocolRules refuses, told by a reply that says nothing by itself.
async fn refused(request: Request<()>) -> Response<()> {
    let layer = GuardLayer::new(ProtocolRules::default(), ClientRules::default());
    let layer = layer.with_reply(|denial: &Denial, _: &Facts<'_>| {
        let response = Response::builder().status(denial.status);
        response.header("allow", "BREW").body(Bytes::new()).unwrap()
    });
    let inner = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let answer = layer.layer(inner).oneshot(request).await;
    let answer = answer.unwrap().map(|_| ());
    assert_ne!(answer.status(), 200, "it is refused");
    answer
}

fn said<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    let all = headers.get_all(name).iter();
    all.map(|value| value.to_str().unwrap()).collect()
}

const H2C: [(&str, &str); 3] = [
    ("connection", "Upgrade, HTTP2-Settings"),
    ("upgrade", "h2c"),
    ("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
];

#[tokio::test]
async fn offer_of_h2c_reaches_nobody() {
    let policy = Snapshot::new(ClientRules::default(), Arc::new(Lets));
    let layer = guard_layer(Arc::new(policy.with_on_fault(OnFault::Pass)));
    for path in ["/", "/allow", "/would", "/panic"] {
        let told = reaches(&layer, get(path, &H2C)).await;
        assert_eq!(told.keys().collect::<Vec<_>>(), ["host"], "{path}");
    }
}

#[tokio::test]
async fn what_else_is_nominated_stays_so() {
    let layer = GuardLayer::new(Lets, ClientRules::default());
    let lines = [
        ("connection", "keep-alive, upgrade"),
        ("connection", "X-Hop,HTTP2-Settings"),
        ("upgrade", "h2c, TLS/1.3"),
    ];
    let told = reaches(&layer, get("/", &lines)).await;
    assert_eq!(said(&told, "connection"), ["keep-alive, X-Hop"]);
    assert_eq!(said(&told, "upgrade"), [""; 0]);
}

#[tokio::test]
async fn offer_of_a_websocket_stays_alone() {
    let layer = GuardLayer::new(Lets, ClientRules::default());
    let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let plain = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        key,
    ];
    let told = reaches(&layer, get("/", &plain)).await;
    assert_eq!(said(&told, "upgrade"), ["websocket"]);
    assert_eq!(said(&told, "connection"), ["keep-alive, Upgrade"]);
    assert_eq!(said(&told, key.0), [key.1]);
    let either = [H2C[0], ("upgrade", "WebSocket, h2c"), H2C[2]];
    let told = reaches(&layer, get("/", &either)).await;
    assert_eq!(said(&told, "upgrade"), ["websocket"]);
    assert_eq!(said(&told, "connection"), ["Upgrade"]);
    assert_eq!(said(&told, "http2-settings"), [""; 0]);
}

#[tokio::test]
async fn half_a_handshake_that_passes_is_seen_as_it_was_sent() {
    let layer = GuardLayer::new(Lets, ClientRules::default());
    let told = reaches(&layer, get("/", &[("upgrade", "websocket")])).await;
    assert_eq!(said(&told, "upgrade"), ["websocket"]);
}

#[tokio::test]
async fn wrong_version_is_told_the_right_one_whatever_the_reply() {
    let lines = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "8"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let answer = refused(get("/", &lines)).await;
    assert_eq!(answer.status(), 426);
    assert_eq!(said(answer.headers(), "sec-websocket-version"), ["13"]);
    assert_eq!(said(answer.headers(), "upgrade"), ["websocket"]);
    assert_eq!(said(answer.headers(), "connection"), ["close, upgrade"]);
}

#[tokio::test]
async fn refused_method_is_told_the_others_whatever_the_reply() {
    let mut request = get("/", &[]);
    *request.method_mut() = "TRACE".parse().unwrap();
    let answer = refused(request).await;
    let all = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
    assert_eq!(said(answer.headers(), "allow"), [all]);
    assert_eq!(said(answer.headers(), "connection"), [""; 0], "it goes on");
}

#[tokio::test]
async fn what_the_accept_loop_saw_is_judged_and_ends_the_connection() {
    let with = |framing: Framing| {
        let mut request = get("/", &[("transfer-encoding", "chunked")]);
        request.extensions_mut().insert(framing);
        request
    };
    for framing in [Framing::Both, Framing::Unknown] {
        let answer = refused(with(framing)).await;
        assert_eq!(answer.status(), 400);
        assert_eq!(said(answer.headers(), "connection"), ["close"]);
    }
    let layer = GuardLayer::new(ProtocolRules::default(), ClientRules::default());
    let told = reaches(&layer, with(Framing::AsShown)).await;
    assert_eq!(said(&told, "transfer-encoding"), ["chunked"], "it passes");
}

#[tokio::test]
async fn http2_is_told_nothing_of_connections() {
    let mut request = get("http://a/", &[("transfer-encoding", "chunked")]);
    *request.version_mut() = Version::HTTP_2;
    let answer = refused(request).await;
    assert_eq!(answer.status(), 400);
    assert_eq!(said(answer.headers(), "connection"), [""; 0]);
}
