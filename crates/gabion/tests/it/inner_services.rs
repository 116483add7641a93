//! A guard stands before any service: axum, hyper, tonic, one's own.

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
use gabion_testkit::Recorder;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
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
    let told = Arc::new(Recorder::default());
    let guard = Guard::builder()
        .with_sink(told.clone())
        .with_policy(POLICY, "policy.toml");
    (guard.unwrap(), told)
}

/// The status of one answer over a connection of its own.
async fn status(addr: SocketAddr, target: &str) -> u16 {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .expect(&answer)
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

#[cfg(feature = "axum")]
mod axum {
    use ::axum::{Router, body::Body, extract::connect_info::MockConnectInfo, routing};
    use gabion_testkit::peer;

    use super::*;

    async fn ok() -> &'static str {
        "ok"
    }

    fn from_outside() -> MockConnectInfo<SocketAddr> {
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
    async fn router_wears_the_layer() {
        let (guard, _told) = guard();
        let app = Router::new()
            .fallback(ok)
            .layer(guard.layer())
            .layer(from_outside());
        assert_eq!(statuses(&app, TARGETS).await, [403, 403, 403, 200, 200]);
    }

    #[tokio::test]
    async fn nested_router_is_judged_by_the_path_as_sent() {
        let (guard, told) = guard();
        let api = Router::new().fallback(ok).layer(guard.layer());
        let deeper = Router::new().nest("/admin", Router::new().route("/x", routing::get(ok)));
        let deeper = Router::new().nest("/api", deeper.layer(guard.layer()));
        let app = Router::new()
            .nest("/api", api)
            .fallback(ok)
            .layer(from_outside());
        assert_eq!(statuses(&app, TARGETS).await, [403, 403, 403, 200, 200]);
        let words = told.take_words();
        assert!(
            words[0].contains("GET /api/admin denied (403)"),
            "{words:?}"
        );
        assert_eq!(
            statuses(&deeper.layer(from_outside()), ["/api/admin/x"]).await,
            [403]
        );
    }

    #[tokio::test]
    async fn one_route_wears_the_layer() {
        let (guard, _told) = guard();
        let app = Router::new()
            .route("/api/admin/{user}", routing::get(ok).layer(guard.layer()))
            .route("/api/admin", routing::get(ok))
            .layer(from_outside());
        assert_eq!(
            statuses(&app, ["/api/admin/1", "/api/admin"]).await,
            [403, 200]
        );
    }

    #[tokio::test]
    async fn served_router_learns_its_peers_or_says_how() {
        let (guard, told) = guard();
        let app = Router::new().fallback(ok).layer(guard.layer());
        let (listener, with_peers) = listen().await;
        let service = app
            .clone()
            .into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(::axum::serve(listener, service).into_future());
        assert_eq!(status(with_peers, "/api/admin").await, 403);
        assert_eq!(status(with_peers, "/api").await, 200);
        assert_eq!(told.take().len(), 1);

        let (listener, without) = listen().await;
        tokio::spawn(::axum::serve(listener, app).into_future());
        assert_eq!(status(without, "/api").await, 503);
        let words = told.take_words();
        let fix = "into_make_service_with_connect_info::<SocketAddr>()";
        assert!(words.len() == 1 && words[0].contains(fix), "{words:?}");
    }

    /// A guarded router has a name, to be kept in one's own types.
    struct Site {
        service: GuardService<Router>,
    }

    fn site(guard: &Guard, router: Router) -> Site {
        let service = guard.layer().layer(router);
        Site { service }
    }

    #[tokio::test]
    async fn guarded_router_has_a_name() {
        let site = site(&guard().0, Router::new().fallback(ok));
        let app = Router::new()
            .fallback_service(site.service)
            .layer(from_outside());
        assert_eq!(statuses(&app, TARGETS).await, [403, 403, 403, 200, 200]);
    }
}

#[tokio::test]
async fn hyper_connection_wears_the_layer() {
    let (guard, told) = guard();
    let inner = service_fn(|request: Request<Incoming>| async {
        Ok::<_, hyper::Error>(Response::new(Full::from(
            request.into_body().collect().await?.to_bytes(),
        )))
    });
    let (listener, addr) = listen().await;
    let guarded = guard.layer().layer(inner);
    tokio::spawn(async move {
        while let Ok((stream, from)) = listener.accept().await {
            let service = guarded
                .clone()
                .map_request(move |mut request: Request<Incoming>| {
                    request.extensions_mut().insert(gabion::PeerAddr::new(from));
                    request
                });
            let http = hyper::server::conn::http1::Builder::new();
            let served =
                http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            tokio::spawn(served);
        }
    });
    assert_eq!(status(addr, "/api/admin").await, 403);
    assert_eq!(status(addr, "/api").await, 200);
    let words = told.take_words();
    assert_eq!(words.len(), 1, "{words:?}");
    assert!(
        words[0].starts_with("127.0.0.1 GET /api/admin"),
        "{words:?}"
    );
}

/// A gRPC service written by hand.
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
async fn tonic_routes_wear_the_layer() {
    let (guard, _told) = guard();
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

/// Neither `Clone` nor infallible, and it must be found ready before it is called.
struct Odd {
    is_ready: bool,
}

impl Service<Request<()>> for Odd {
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

/// A wall around a service, by its name.
fn walled(guard: &Guard) -> GuardService<Odd> {
    guard.layer().layer(Odd { is_ready: false })
}

#[test]
fn service_need_not_be_clone_and_keeps_its_boxed_error() {
    let (guard, _told) = guard();
    let mut guarded = walled(&guard);
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
fn guarded_service_is_boxed_like_any_other() {
    let (guard, _told) = guard();
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
