//! The upstream receives the path as sent, or its canonical form, and never a mix.

use std::{convert::Infallible, sync::Mutex};

use gabion::Guard;
use gabion_testkit::peer;
use http::{Request, Response, header::HOST};
use http_body_util::Empty;
use tower::{Layer as _, ServiceExt as _, service_fn};

const CANONICAL: &str = "version = 1\n[server]\nforward = 'canonical'\n";

/// The target that a service behind a guard with `policy` receives for `target`.
async fn requested(policy: &str, target: &str) -> String {
    let guard = Guard::from_policy(policy).unwrap();
    let seen = Mutex::new(String::new());
    let service = service_fn(|request: Request<()>| {
        *seen.lock().unwrap() = request.uri().to_string();
        async { Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new())) }
    });
    let request = Request::get(target).header(HOST, "localhost");
    let request = request.extension(peer("203.0.113.9")).body(()).unwrap();
    let answer = guard.layer().layer(service).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200, "{target}");
    seen.into_inner().unwrap()
}

#[tokio::test]
async fn canonical_if_the_policy_requires_it() {
    for (sent, spelled) in [
        ("/a/b?x=%2e%2e//", "/a/b?x=%2e%2e//"),
        ("/%61/%2e%2e/b//c/%7ed?x=%61", "/b/c/~d?x=%61"),
        ("/%ed%95%9c;a=%2f/.", "/%ED%95%9C;a=%2F/"),
        ("http://localhost/%61?q", "http://localhost/a?q"),
    ] {
        assert_eq!(requested(CANONICAL, sent).await, spelled, "{sent}");
    }
}

#[tokio::test]
async fn as_sent_by_default() {
    for sent in ["/%61/%2e%2e/b//c", "/%ed%95%9c;a=%2f/."] {
        assert_eq!(requested("version = 1", sent).await, sent);
    }
}

#[tokio::test]
async fn malformed_path_in_observe_mode_stays_as_sent() {
    let observing = format!("mode = 'observe'\n{CANONICAL}");
    for sent in ["/%61/%zz", "/%61/../..", "/%61%00"] {
        assert_eq!(requested(&observing, sent).await, sent);
    }
}

/// A router removed a prefix: the remaining target is not the one that was judged.
#[cfg(feature = "axum")]
#[tokio::test]
async fn target_stripped_by_a_router_stays_as_received() {
    use axum::{Router, body::Body, extract::connect_info::MockConnectInfo, routing::get};
    let guard = Guard::from_policy(CANONICAL).unwrap();
    let tell = |request: Request<Body>| async move { request.uri().to_string() };
    let inner = Router::new().fallback(get(tell)).layer(guard.layer());
    let app = Router::new().nest("/api", inner);
    let app = app.layer(MockConnectInfo(std::net::SocketAddr::from((
        [203, 0, 113, 9],
        1,
    ))));
    let request = Request::get("/api/%61").header(HOST, "localhost");
    let answer = app
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let body = axum::body::to_bytes(answer.into_body(), 100).await.unwrap();
    assert_eq!(&body[..], b"/%61");
}
