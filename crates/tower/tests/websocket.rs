//! Upgrade offers, and the response to a refused one.

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
use gabion_testkit::TestRequest;
use gabion_tower::{GuardLayer, guard_layer};
use http::{HeaderMap, Request, Response, Version};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};

/// Passes every request, in the way that the path names.
struct PassesByPath;

impl Inspect for PassesByPath {
    fn name(&self) -> &'static str {
        "lets"
    }

    fn inspect(&self, facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        assert_ne!(facts.upgrade, Upgrade::None, "judged as sent");
        match facts.path.raw() {
            b"/allow" => Verdict::allow(Cause::new(RuleId::builtin("lets"), Reason::Prefix)),
            b"/would" => Denial::forbidden("lets", "not")
                .with_mode(Mode::Observe)
                .into(),
            b"/panic" => panic!("at the disco"),
            _ => Verdict::Pass,
        }
    }
}

fn get(target: &str, lines: &[(&'static str, &'static str)]) -> Request<()> {
    let request = TestRequest::get(target);
    let lines = lines.iter();
    lines
        .fold(request, |request, line| request.header(line.0, line.1))
        .0
}

/// The headers that reach the service behind `layer`; empty if none do.
async fn reaches(layer: &GuardLayer, request: Request<()>) -> HeaderMap {
    let inner = service_fn(|request: Request<()>| async move {
        let mut response = Response::new(Full::<Bytes>::default());
        *response.headers_mut() = request.headers().clone();
        Ok::<_, Infallible>(response)
    });
    let answer = layer.layer(inner).oneshot(request).await;
    answer.unwrap().headers().clone()
}

/// The response to a request that [`ProtocolRules`] refuse, with a reply that adds no headers for
/// it.
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

fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    let all = headers.get_all(name).iter();
    all.map(|value| value.to_str().unwrap()).collect()
}

const H2C: [(&str, &str); 3] = [
    ("connection", "Upgrade, HTTP2-Settings"),
    ("upgrade", "h2c"),
    ("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
];

#[tokio::test]
async fn h2c_offer_does_not_reach_the_service() {
    let policy = Snapshot::new(ClientRules::default(), Arc::new(PassesByPath));
    let layer = guard_layer(Arc::new(policy.with_on_fault(OnFault::Pass)));
    for path in ["/", "/allow", "/would", "/panic"] {
        let received = reaches(&layer, get(path, &H2C)).await;
        assert_eq!(received.keys().collect::<Vec<_>>(), ["host"], "{path}");
    }
}

#[tokio::test]
async fn other_connection_options_stay() {
    let layer = GuardLayer::new(PassesByPath, ClientRules::default());
    let lines = [
        ("connection", "keep-alive, upgrade"),
        ("connection", "X-Hop,HTTP2-Settings"),
        ("upgrade", "h2c, TLS/1.3"),
    ];
    let received = reaches(&layer, get("/", &lines)).await;
    assert_eq!(values(&received, "connection"), ["keep-alive, X-Hop"]);
    assert_eq!(values(&received, "upgrade"), [""; 0]);
}

#[tokio::test]
async fn only_the_websocket_offer_stays() {
    let layer = GuardLayer::new(PassesByPath, ClientRules::default());
    let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let plain = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        key,
    ];
    let received = reaches(&layer, get("/", &plain)).await;
    assert_eq!(values(&received, "upgrade"), ["websocket"]);
    assert_eq!(values(&received, "connection"), ["keep-alive, Upgrade"]);
    assert_eq!(values(&received, key.0), [key.1]);
    let either = [H2C[0], ("upgrade", "WebSocket, h2c"), H2C[2]];
    let received = reaches(&layer, get("/", &either)).await;
    assert_eq!(values(&received, "upgrade"), ["websocket"]);
    assert_eq!(values(&received, "connection"), ["Upgrade"]);
    assert_eq!(values(&received, "http2-settings"), [""; 0]);
}

#[tokio::test]
async fn incomplete_handshake_that_passes_is_unchanged() {
    let layer = GuardLayer::new(PassesByPath, ClientRules::default());
    let received = reaches(&layer, get("/", &[("upgrade", "websocket")])).await;
    assert_eq!(values(&received, "upgrade"), ["websocket"]);
}

#[tokio::test]
async fn wrong_version_gets_the_supported_one_with_any_reply() {
    let lines = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "8"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let answer = refused(get("/", &lines)).await;
    assert_eq!(answer.status(), 426);
    assert_eq!(values(answer.headers(), "sec-websocket-version"), ["13"]);
    assert_eq!(values(answer.headers(), "upgrade"), ["websocket"]);
    assert_eq!(values(answer.headers(), "connection"), ["close, upgrade"]);
}

#[tokio::test]
async fn refused_method_gets_the_allowed_ones_with_any_reply() {
    let mut request = get("/", &[]);
    *request.method_mut() = "TRACE".parse().unwrap();
    let answer = refused(request).await;
    let all = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
    assert_eq!(values(answer.headers(), "allow"), [all]);
    assert_eq!(
        values(answer.headers(), "connection"),
        [""; 0],
        "it goes on"
    );
}

#[tokio::test]
async fn framing_seen_by_the_accept_loop_is_judged_and_ends_the_connection() {
    let with = |framing: Framing| {
        let mut request = get("/", &[("transfer-encoding", "chunked")]);
        request.extensions_mut().insert(framing);
        request
    };
    for framing in [Framing::Both, Framing::Unknown] {
        let answer = refused(with(framing)).await;
        assert_eq!(answer.status(), 400);
        assert_eq!(values(answer.headers(), "connection"), ["close"]);
    }
    let layer = GuardLayer::new(ProtocolRules::default(), ClientRules::default());
    let received = reaches(&layer, with(Framing::AsShown)).await;
    assert_eq!(
        values(&received, "transfer-encoding"),
        ["chunked"],
        "it passes"
    );
}

#[tokio::test]
async fn http2_response_has_no_connection_header() {
    let mut request = get("http://a/", &[("transfer-encoding", "chunked")]);
    *request.version_mut() = Version::HTTP_2;
    let answer = refused(request).await;
    assert_eq!(answer.status(), 400);
    assert_eq!(values(answer.headers(), "connection"), [""; 0]);
}
