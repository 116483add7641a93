use std::convert::Infallible;

use gabion_core::ClientRules;
use http_body_util::Full;
use tower::{ServiceExt as _, service_fn};

use super::*;

const BALANCER: [u8; 4] = [10, 0, 0, 1];
const OTHER: [u8; 4] = [198, 51, 100, 7];

/// The status, the location and the policy of the response to a request that `peer` sends.
async fn response(peer: [u8; 4], lines: &[(&str, &str)], secure: bool) -> Response<String> {
    let mut request = Request::builder().uri("/a?b").body(()).unwrap();
    for (name, value) in lines {
        match *name {
            "target" => *request.uri_mut() = value.parse().unwrap(),
            "method" => *request.method_mut() = value.parse().unwrap(),
            _ => {
                let name: HeaderName = name.parse().unwrap();
                request.headers_mut().append(name, value.parse().unwrap());
            }
        }
    }
    let peer = PeerAddr::new((peer, 4711).into());
    let rules = ClientRules::default().with_trusted(["10.0.0.0/8".parse().unwrap()]);
    let client = rules.unwrap().resolve(peer, request.headers());
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(client);
    if secure {
        request.extensions_mut().insert(Scheme::Secure);
    }
    let inner = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let layer = HttpsLayer::default()
        .with_redirect(8443)
        .with_exempt_paths(|path| path == "/health");
    let layer = layer.with_hsts(Duration::from_mins(1));
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = http_body_util::BodyExt::collect(body)
        .await
        .unwrap()
        .to_bytes();
    Response::from_parts(head, String::from_utf8(body.to_vec()).unwrap())
}

const HOST: (&str, &str) = ("host", "shop.example:80");
const FOR: (&str, &str) = ("x-forwarded-for", "203.0.113.9");

#[tokio::test]
async fn plain_requests_are_redirected_by_trusted_scheme_only() {
    let http = ("x-forwarded-proto", "http");
    let https = ("x-forwarded-proto", "https");
    for (peer, lines, secure, expected) in [
        (OTHER, &[HOST][..], false, 308),
        (OTHER, &[HOST], true, 200),
        // A client writes the header itself.
        (OTHER, &[HOST, https], false, 308),
        (OTHER, &[HOST, http], true, 200),
        (BALANCER, &[HOST, FOR, http], false, 308),
        (BALANCER, &[HOST, FOR, https], false, 200),
        (BALANCER, &[HOST, FOR, http], true, 308),
        (
            BALANCER,
            &[HOST, FOR, ("x-forwarded-proto", "http, HTTPS")],
            false,
            200,
        ),
        // Unknown, and a health check of the balancer.
        (BALANCER, &[HOST, FOR], false, 200),
        (BALANCER, &[HOST], false, 200),
        (BALANCER, &[HOST, http], false, 200),
        (OTHER, &[HOST, ("target", "/health")], false, 200),
        (OTHER, &[HOST, ("target", "/healthy")], false, 308),
    ] {
        let response = response(peer, lines, secure).await;
        assert_eq!(response.status(), expected, "{peer:?} {lines:?}");
    }
}

#[tokio::test]
async fn redirect_keeps_host_and_target_and_refuses_an_invalid_host() {
    for (lines, location) in [
        (&[HOST][..], Some("https://shop.example:8443/a?b")),
        (
            &[("host", "[2001:db8::1]:80")],
            Some("https://[2001:db8::1]:8443/a?b"),
        ),
        (
            &[("target", "http://a.example:80/x")],
            Some("https://a.example:8443/x"),
        ),
        (
            &[HOST, ("target", "//evil.example/x")],
            Some("https://shop.example:8443//evil.example/x"),
        ),
        (&[], None),
        (&[HOST, HOST], None),
        (&[("host", "")], None),
        (&[("host", "a b")], None),
        (&[("host", "user@evil.example")], None),
        (&[("host", "a.example/evil")], None),
        (&[("host", "a.example:80x")], None),
        (&[("host", "[::1")], None),
        (&[("host", "[a.example]")], None),
    ] {
        let response = response(OTHER, lines, false).await;
        let found = response
            .headers()
            .get(LOCATION)
            .map(|value| value.to_str().unwrap());
        assert_eq!(found, location, "{lines:?}");
        assert_eq!(
            response.status(),
            if location.is_some() { 308 } else { 400 }
        );
    }
}

#[tokio::test]
async fn upgrades_are_refused_with_the_reason() {
    for line in [("upgrade", "websocket"), ("method", "CONNECT")] {
        let response = response(OTHER, &[HOST, line], false).await;
        assert_eq!(response.status(), 403);
        assert!(
            response.body().contains("open wss:// instead of ws://"),
            "{line:?}"
        );
    }
    let secure = response(OTHER, &[HOST, ("upgrade", "websocket")], true).await;
    assert_eq!(secure.status(), 200);
}

#[tokio::test]
async fn hsts_is_sent_over_https_only() {
    let has_hsts =
        |response: &Response<String>| response.headers().contains_key(STRICT_TRANSPORT_SECURITY);
    assert!(has_hsts(&response(OTHER, &[HOST], true).await));
    assert!(!has_hsts(&response(OTHER, &[HOST], false).await));
    assert!(!has_hsts(
        &response(OTHER, &[HOST, ("target", "/health")], false).await
    ));
    let by_balancer = |proto| [HOST, FOR, ("x-forwarded-proto", proto)];
    assert!(has_hsts(
        &response(BALANCER, &by_balancer("https"), false).await
    ));
    assert!(!has_hsts(
        &response(BALANCER, &by_balancer("https, http"), false).await
    ));
}
