//! A guard wraps any service: axum, hyper, tonic, or a service of one's own.

use std::{
    convert::Infallible,
    error::Error,
    future::{Ready, ready},
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use gabion::{
    Guard,
    inspect::{GuardBody, GuardService},
};
use gabion_testkit::{LoopbackServer, RawConnection, Recorder};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneService};

use crate::support::in_process::get;

const POLICY: &str = r#"
    version = 1
    [[deny]]
    id = "admin"
    prefix = ["/api/admin", "/echo.Echo/Admin"]
"#;

type BoxError = Box<dyn Error + Send + Sync>;

fn guard() -> (Guard, Arc<Recorder>) {
    let events = Arc::new(Recorder::default());
    let guard = Guard::builder()
        .with_sink(events.clone())
        .with_policy(POLICY, "policy.toml");
    (guard.unwrap(), events)
}

/// The status of one response on a new connection.
async fn status(addr: SocketAddr, target: &str) -> u16 {
    let response = RawConnection::connect(addr).await.get(target, "").await;
    response.expect("a response").status.as_u16()
}

#[cfg(feature = "axum")]
mod axum {
    use ::axum::{Router, body::Body, extract::connect_info::MockConnectInfo, routing};
    use gabion_testkit::{RouterServer, peer};
    use tokio::net::TcpListener;

    use super::*;

    async fn ok() -> &'static str {
        "ok"
    }

    fn mock_peer() -> MockConnectInfo<SocketAddr> {
        MockConnectInfo(peer("203.0.113.9").socket())
    }

    async fn statuses<const N: usize>(app: &Router, targets: [&str; N]) -> [u16; N] {
        let mut statuses = [0; N];
        for (status, target) in statuses.iter_mut().zip(targets) {
            let request = Request::get(target)
                .header("host", "a")
                .body(Body::empty())
                .unwrap();
            *status = app
                .clone()
                .oneshot(request)
                .await
                .unwrap()
                .status()
                .as_u16();
        }
        statuses
    }

    const TARGETS: [&str; 5] = [
        "/api/admin",
        "/api/%61dmin/x",
        "/api//admin",
        "/api/administrators",
        "/admin",
    ];

    #[tokio::test]
    async fn router_has_the_layer() {
        let (guard, _events) = guard();
        let app = Router::new()
            .fallback(ok)
            .layer(guard.layer())
            .layer(mock_peer());
        assert_eq!(statuses(&app, TARGETS).await, [403, 403, 403, 200, 200]);
    }

    #[tokio::test]
    async fn nested_router_is_judged_by_the_path_as_sent() {
        let (guard, events) = guard();
        let api = Router::new().fallback(ok).layer(guard.layer());
        let deeper = Router::new().nest("/admin", Router::new().route("/x", routing::get(ok)));
        let deeper = Router::new().nest("/api", deeper.layer(guard.layer()));
        let app = Router::new()
            .nest("/api", api)
            .fallback(ok)
            .layer(mock_peer());
        assert_eq!(statuses(&app, TARGETS).await, [403, 403, 403, 200, 200]);
        let words = events.take_texts();
        assert!(
            words[0].contains("GET \"/api/admin\" denied (403)"),
            "{words:?}"
        );
        assert_eq!(
            statuses(&deeper.layer(mock_peer()), ["/api/admin/x"]).await,
            [403]
        );
    }

    #[tokio::test]
    async fn one_route_has_the_layer() {
        let (guard, _events) = guard();
        let app = Router::new()
            .route("/api/admin/{user}", routing::get(ok).layer(guard.layer()))
            .route("/api/admin", routing::get(ok))
            .layer(mock_peer());
        assert_eq!(
            statuses(&app, ["/api/admin/1", "/api/admin"]).await,
            [403, 200]
        );
    }

    #[tokio::test]
    async fn served_router_needs_connect_info() {
        let (guard, events) = guard();
        let app = Router::new().fallback(ok).layer(guard.layer());
        let server = RouterServer::start(app.clone()).await;
        let with_peers = server.addr();
        assert_eq!(status(with_peers, "/api/admin").await, 403);
        assert_eq!(status(with_peers, "/api").await, 200);
        assert_eq!(events.take().len(), 1);

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let without = listener.local_addr().unwrap();
        tokio::spawn(::axum::serve(listener, app).into_future());
        assert_eq!(status(without, "/api").await, 503);
        let words = events.take_texts();
        let fix = "into_make_service_with_connect_info::<SocketAddr>()";
        assert!(words.len() == 1 && words[0].contains(fix), "{words:?}");
    }

    /// A guarded router in a named field.
    struct Site {
        service: GuardService<Router>,
    }

    fn site(guard: &Guard, router: Router) -> Site {
        let service = guard.layer().layer(router);
        Site { service }
    }

    #[tokio::test]
    async fn guarded_router_has_a_nameable_type() {
        let site = site(&guard().0, Router::new().fallback(ok));
        let app = Router::new()
            .fallback_service(site.service)
            .layer(mock_peer());
        assert_eq!(statuses(&app, TARGETS).await, [403, 403, 403, 200, 200]);
    }
}

#[tokio::test]
async fn hyper_connection_has_the_layer() {
    let (guard, events) = guard();
    let inner = service_fn(|request: Request<Incoming>| async {
        Ok::<_, hyper::Error>(Response::new(Full::from(
            request.into_body().collect().await?.to_bytes(),
        )))
    });
    let guarded = guard.layer().layer(inner);
    let server = LoopbackServer::start(move |stream| {
        let peer = gabion::PeerAddr::new(stream.peer_addr().unwrap());
        let service = guarded
            .clone()
            .map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer);
                request
            });
        let http = hyper::server::conn::http1::Builder::new();
        let connection =
            http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        async { drop(connection.await) }
    });
    let server = server.await;
    let addr = server.addr();
    assert_eq!(status(addr, "/api/admin").await, 403);
    assert_eq!(status(addr, "/api").await, 200);
    let words = events.take_texts();
    assert_eq!(words.len(), 1, "{words:?}");
    assert!(
        words[0].starts_with("127.0.0.1 GET \"/api/admin\""),
        "{words:?}"
    );
}

/// A gRPC service without generated code.
#[derive(Clone)]
struct Echo;

impl tonic::server::NamedService for Echo {
    const NAME: &'static str = "echo.Echo";
}

impl Service<Request<tonic::body::Body>> for Echo {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let response = Response::builder().header("grpc-status", "0");
        ready(Ok(response.body(request.into_body()).unwrap()))
    }
}

#[tokio::test]
async fn tonic_routes_have_the_layer() {
    let (guard, _events) = guard();
    let routes = tonic::service::Routes::new(Echo).prepare();
    let guarded: GuardService<tonic::service::Routes> = guard.layer().layer(routes);
    for (target, expected) in [
        ("http://a/echo.Echo/Say", 200),
        ("http://a/echo.Echo/Admin", 403),
        ("http://a/echo.Echo/%41dmin", 403),
    ] {
        let request = get(target).method("POST").http2().without_host().0;
        let request = request.map(|()| tonic::body::Body::new(Empty::<Bytes>::new()));
        let response = guarded.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), expected, "{target}");
        let is_grpc = response.headers().contains_key("grpc-status");
        assert_eq!(is_grpc, expected == 200, "{target}");
    }
}

/// Neither `Clone` nor infallible, and must be ready before each call.
struct NotClone {
    is_ready: bool,
}

impl Service<Request<()>> for NotClone {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.is_ready),
            "called before it was ready"
        );
        ready(match request.uri().path() {
            "/fails" => Err("no luck today".into()),
            _ => Ok(Response::new(Full::from("odd"))),
        })
    }
}

/// A guarded service as a named type.
fn guarded_service(guard: &Guard) -> GuardService<NotClone> {
    guard.layer().layer(NotClone { is_ready: false })
}

#[test]
fn service_need_not_be_clone_and_keeps_its_boxed_error() {
    let (guard, _events) = guard();
    let mut guarded = guarded_service(&guard);
    for (target, expected) in [
        ("/", Ok(200)),
        ("/api/admin", Ok(403)),
        ("/fails", Err("no luck today".to_owned())),
        ("/", Ok(200)),
    ] {
        let answer = guarded
            .ready()
            .now_or_never()
            .unwrap()
            .unwrap()
            .call(get(target).0);
        let answer: Result<Response<GuardBody<Full<Bytes>>>, BoxError> =
            answer.now_or_never().unwrap();
        let status = answer.map(|response| response.status().as_u16());
        assert_eq!(
            status.map_err(|error| error.to_string()),
            expected,
            "{target}"
        );
    }
}

#[test]
fn guarded_service_can_be_boxed() {
    let (guard, _events) = guard();
    let inner = service_fn(|_: Request<()>| ready(Ok(Response::new(Full::from("inner")))));
    let inner: BoxCloneService<Request<()>, Response<Full<Bytes>>, BoxError> =
        BoxCloneService::new(inner);
    let guarded = ServiceBuilder::new().layer(guard.layer()).service(inner);
    let boxed: BoxCloneService<Request<()>, Response<GuardBody<Full<Bytes>>>, BoxError> =
        BoxCloneService::new(guarded);
    for (target, expected) in [("/api", 200), ("/api/admin", 403)] {
        let answer = boxed.clone().oneshot(get(target).0).now_or_never().unwrap();
        assert_eq!(answer.unwrap().status(), expected, "{target}");
    }
}
