//! Each of the four layers works alone in one line; stacked, they share one resolution of the client.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::connect_info::MockConnectInfo, routing::get};
use bytes::Bytes;
use futures_util::FutureExt as _;
use gabion::{
    BanLayer, Bans, ClientIp, DenyLayer, LimitLayer, Mode, PeerAddr, ScanLayer,
    client::MissingClientIp,
    event::{Event, RequestEventKind, Sink},
};
use gabion_testkit::{ManualClock, Recorder};
use http::{HeaderValue, Request, Response, StatusCode, Uri, header::HOST};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer, Service, ServiceBuilder, ServiceExt as _, service_fn, util::MapRequestLayer};

const PROXY: [u8; 4] = [10, 0, 0, 7];
const CLIENT: [u8; 4] = [203, 0, 113, 9];

type Answer = Response<Full<Bytes>>;

/// Answers 200 to every request.
fn ok() -> impl Service<Request<()>, Response = Answer, Error = Infallible, Future: Send> + Clone {
    service_fn(|_| async { Ok(Response::new(Full::default())) })
}

/// Answers 404 to every request.
fn not_found()
-> impl Service<Request<()>, Response = Answer, Error = Infallible, Future: Send> + Clone {
    service_fn(|_| async {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NOT_FOUND;
        Ok(response)
    })
}

/// A GET from `peer`.
fn from(peer: [u8; 4], path: &str) -> Request<()> {
    let peer = PeerAddr::new(SocketAddr::from((peer, 4711)));
    let request = Request::get(path).header(HOST, "localhost").extension(peer);
    request.body(()).unwrap()
}

/// A GET that the proxy forwards for `client`.
fn forwarded(client: &str, path: &str) -> Request<()> {
    let mut request = from(PROXY, path);
    let client = HeaderValue::from_str(client).unwrap();
    request.headers_mut().insert("x-forwarded-for", client);
    request
}

fn send<S, B>(service: &S, request: Request<()>) -> StatusCode
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible> + Clone,
{
    let response = service.clone().oneshot(request).now_or_never().unwrap();
    response.unwrap().status()
}

/// The rules of the enforced denials that were reported.
fn denials(events: &Recorder) -> Vec<String> {
    let denied = |event: &Event| match event {
        Event::Request(event) => match &event.kind {
            RequestEventKind::Denied(denial) if denial.mode == Mode::Enforce => {
                Some(denial.cause.rule.to_string())
            }
            _ => None,
        },
        _ => None,
    };
    events.take().iter().filter_map(denied).collect()
}

#[test]
fn each_layer_enforces_and_reports_by_default() {
    let (events, bans) = (Arc::new(Recorder::default()), Bans::new());
    let sink: Arc<dyn Sink> = events.clone();

    let ban = BanLayer::new(&bans).networks(["198.51.100.0/24"]).unwrap();
    let banned = ban.sink(sink.clone()).layer(ok());
    assert_eq!(send(&banned, from([198, 51, 100, 7], "/")), 403);
    assert_eq!(send(&banned, from(CLIENT, "/")), 200);
    assert_eq!(denials(&events), ["ban/list"]);

    let deny = DenyLayer::new().extensions(["php"]).sink(sink.clone());
    let denied = deny.layer(ok());
    assert_eq!(send(&denied, from(CLIENT, "/a.ph%70;x")), 403);
    assert_eq!(send(&denied, from(CLIENT, "/a.html")), 200);
    assert_eq!(denials(&events), ["deny"]);

    let limit = LimitLayer::per_client("1/m".parse().unwrap()).burst(2);
    let limited = limit.sink(sink.clone()).layer(ok());
    let statuses = [(); 3].map(|()| send(&limited, from(CLIENT, "/")).as_u16());
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(send(&limited, from([203, 0, 113, 10], "/")), 200);
    assert_eq!(denials(&events), ["limit"]);

    let scanned = ScanLayer::new(&bans).sink(sink).layer(not_found());
    for path in [
        "/wp-login.php",
        "/phpinfo.php",
        "/c99.php",
        "/HNAP1",
        "/boaform/x",
        "/.aws/credentials",
    ] {
        send(&scanned, from(CLIENT, path));
    }
    assert_eq!(send(&scanned, from(CLIENT, "/")), 403, "it is banned");
    assert_eq!(send(&scanned, from([203, 0, 113, 10], "/")), 404);
    assert_eq!(bans.list().len(), 1);
}

#[test]
fn observing_layer_denies_nothing() {
    let events = Arc::new(Recorder::default());
    let deny = DenyLayer::new().names([".env"]).unwrap();
    let observed = deny.mode(Mode::Observe).sink(events.clone()).layer(ok());
    assert_eq!(send(&observed, from(CLIENT, "/.env")), 200);
    let [Event::Request(event)] = &events.take()[..] else {
        panic!("one event")
    };
    assert!(
        matches!(&event.kind, RequestEventKind::Denied(denial) if denial.mode == Mode::Observe)
    );
    assert_eq!(event.answered, Some(StatusCode::OK));
}

#[test]
fn invalid_settings_are_errors() {
    let bans = Bans::new();
    assert!(BanLayer::new(&bans).networks(["198.51.100.7/24"]).is_err());
    assert!(BanLayer::new(&bans).networks(["0.0.0.0/0"]).is_err());
    assert!(BanLayer::new(&bans).trusted_proxies(["0.0.0.0/0"]).is_err());
    assert!(DenyLayer::new().names(["a/b"]).is_err());
    assert!(DenyLayer::new().extensions(["a/b"]).build().is_err());
    assert!(DenyLayer::new().build().is_err(), "it matches nothing");
    let rate = "1/s".parse().unwrap();
    assert!(LimitLayer::per_client(rate).key(["cleint"]).is_err());
    assert!(ScanLayer::new(&bans).weight("scaner", 1).is_err());
}

#[test]
fn inner_layer_takes_the_client_of_the_outermost_also_where_headers_are_rewritten() {
    let outer = DenyLayer::new().names([".env"]).unwrap();
    let outer = outer.trusted_proxies(["10.0.0.0/8"]).unwrap();
    let hide = MapRequestLayer::new(|mut request: Request<()>| {
        request.headers_mut().remove("x-forwarded-for");
        request
            .headers_mut()
            .insert("x-tenant", HeaderValue::from_static("blue"));
        request
    });
    let limit = LimitLayer::per_client("1/m".parse().unwrap()).burst(1);
    let keyed = limit.clone().id("tenant").unwrap();
    let keyed = keyed.key(["header:x-tenant"]).unwrap();
    let by_client = ServiceBuilder::new()
        .layer(outer.clone())
        .layer(hide.clone())
        .layer(limit)
        .service(ok());
    assert_eq!(send(&by_client, forwarded("203.0.113.1", "/")), 200);
    assert_eq!(send(&by_client, forwarded("203.0.113.1", "/")), 429);
    assert_eq!(send(&by_client, forwarded("203.0.113.2", "/")), 200);
    // The header is read again: it differs from the one that the outer layer read.
    let by_tenant = ServiceBuilder::new()
        .layer(outer)
        .layer(hide)
        .layer(keyed)
        .service(ok());
    assert_eq!(send(&by_tenant, forwarded("203.0.113.3", "/")), 200);
    assert_eq!(send(&by_tenant, forwarded("203.0.113.4", "/")), 429);
}

#[test]
fn changed_target_is_resolved_again() {
    let strip = MapRequestLayer::new(|mut request: Request<()>| {
        let path = request.uri().path().trim_start_matches("/api").to_owned();
        *request.uri_mut() = Uri::try_from(path).unwrap();
        request
    });
    let inner = DenyLayer::new().prefix(["/private"]).unwrap();
    let service = ServiceBuilder::new()
        .layer(DenyLayer::new().names([".env"]).unwrap())
        .layer(strip)
        .layer(inner)
        .service(ok());
    assert_eq!(send(&service, from(CLIENT, "/api/private/x")), 403);
    // Its views are those of the stripped path.
    assert_eq!(send(&service, from(CLIENT, "/api/%70rivate/x")), 403);
    assert_eq!(send(&service, from(CLIENT, "/api/public")), 200);
    assert_eq!(send(&service, from(CLIENT, "/x/private")), 200);
}

#[tokio::test]
async fn nested_router_is_judged_by_the_target_as_sent() {
    let inner = DenyLayer::new().prefix(["/api/internal"]).unwrap();
    let limit = LimitLayer::per_client("1/m".parse().unwrap()).burst(2);
    let api = Router::new()
        .fallback(get(|client: ClientIp| async move { client.to_string() }))
        .layer(limit)
        .layer(inner);
    let outer = DenyLayer::new().names([".env"]).unwrap();
    let app = Router::new()
        .nest("/api", api)
        .layer(outer.trusted_proxies(["10.0.0.0/8"]).unwrap())
        .layer(MockConnectInfo(SocketAddr::from((PROXY, 4711))));
    let request = async |path: &str, client: &str| {
        let request = Request::get(path).header("x-forwarded-for", client);
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap());
        let response = response.await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    assert_eq!(request("/api/internal/x", "203.0.113.1").await.0, 403);
    let extracted = "203.0.113.1".to_owned();
    assert_eq!(request("/api/x", "203.0.113.1").await, (200, extracted));
    assert_eq!(request("/api/x", "203.0.113.1").await.0, 200);
    assert_eq!(request("/api/x", "203.0.113.1").await.0, 429);
    assert_eq!(request("/api/x", "203.0.113.2").await.0, 200);
}

#[test]
fn exchange_counts_once_toward_standing_however_many_layers_see_it() {
    // Standing decays with time, so time stands still.
    let bans = Bans::new().with_clock(Arc::new(ManualClock::default()));
    let deny = DenyLayer::new().names([".env", ".git", ".aws"]).unwrap();
    let service = ServiceBuilder::new()
        .layer(BanLayer::new(&bans))
        .layer(deny.ban(&bans, Duration::from_mins(10)))
        .layer(ScanLayer::new(&bans))
        .service(ok());
    // Ten pages make good standing, in which requests that a page could cause do not ban. Six do not.
    for page in 0..6 {
        assert_eq!(send(&service, from(CLIENT, &format!("/{page}"))), 200);
    }
    for path in ["/.env", "/.git", "/.aws"] {
        assert_eq!(send(&service, from(CLIENT, path)), 403);
    }
    assert_eq!(bans.list().len(), 1);
    assert_eq!(send(&service, from(CLIENT, "/")), 403);

    let regular = [203, 0, 113, 10];
    for page in 0..20 {
        assert_eq!(send(&service, from(regular, &format!("/{page}"))), 200);
    }
    for path in ["/.env", "/.git", "/.aws"] {
        assert_eq!(send(&service, from(regular, path)), 403);
    }
    assert_eq!(send(&service, from(regular, "/")), 200, "good standing");
}

#[test]
fn missing_peer_is_503_with_the_fix_and_one_event_a_minute() {
    let events = Arc::new(Recorder::default());
    let deny = DenyLayer::new().names([".env"]).unwrap();
    let service = deny.sink(events.clone()).layer(ok());
    for _ in 0..3 {
        let request = Request::get("/").body(()).unwrap();
        let response = service.clone().oneshot(request).now_or_never().unwrap();
        let response = response.unwrap();
        assert_eq!(response.status(), 503);
        let body = response.into_body().collect().now_or_never().unwrap();
        let body = body.unwrap().to_bytes();
        assert!(body.starts_with(b"no peer address: "), "{body:?}");
    }
    let [Event::Setup(help)] = &events.take()[..] else {
        panic!("one event")
    };
    assert!(help.contains("into_make_service_with_connect_info"));
}

#[tokio::test]
async fn client_extractor_without_a_layer_names_the_fix() {
    let app: Router =
        Router::new().fallback(get(|client: ClientIp| async move { client.to_string() }));
    let request = Request::get("/").body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 500);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, MissingClientIp::default().to_string());
}

#[test]
fn peer_is_read_from_the_extension_of_tonic() {
    use tonic::transport::server::TcpConnectInfo;

    let ban = BanLayer::new(&Bans::new())
        .networks(["198.51.100.0/24"])
        .unwrap();
    let service = ban.layer(ok());
    let call = |peer: [u8; 4]| {
        let info = TcpConnectInfo {
            local_addr: None,
            remote_addr: Some(SocketAddr::from((peer, 4711))),
        };
        send(
            &service,
            Request::get("/").extension(info).body(()).unwrap(),
        )
    };
    assert_eq!(call([198, 51, 100, 7]), 403);
    assert_eq!(call(CLIENT), 200);
}

#[test]
fn peer_address_comes_before_connect_info() {
    use axum::extract::ConnectInfo;

    let ban = BanLayer::new(&Bans::new())
        .networks(["198.51.100.0/24"])
        .unwrap();
    let service = ban.layer(ok());
    let other = ConnectInfo(SocketAddr::from(([198, 51, 100, 7], 4711)));
    let mut request = from(CLIENT, "/");
    request.extensions_mut().insert(other);
    assert_eq!(send(&service, request), 200);
    let request = Request::get("/").extension(other).body(()).unwrap();
    assert_eq!(send(&service, request), 403);
}
