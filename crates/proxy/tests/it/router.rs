//! Routes by host and path.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
};

use bytes::Bytes;
use gabion_core::Event;
use gabion_proxy::{Route, RouteError, Router};
use gabion_testkit::Recorder;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tower::{Service, ServiceExt as _, service_fn};

type Answer = Ready<Result<Response<Full<Bytes>>, Infallible>>;

fn serve(
    name: &'static str,
) -> impl Service<Request<()>, Response = Response<Full<Bytes>>, Error = Infallible, Future = Answer>
+ Clone {
    service_fn(move |_: Request<()>| -> Answer { ready(Ok(Response::new(name.into()))) })
}

fn request(host: &str, path: &str) -> Request<()> {
    Request::get(path).header("host", host).body(()).unwrap()
}

#[tokio::test]
async fn most_specific_route_applies() {
    let router = Router::new(serve("rest"))
        .with_route(&Route::of_host("*.example"), serve("names"))
        .and_then(|router| {
            router.with_route(&Route::of_host("*.shop.example"), serve("shop names"))
        })
        .and_then(|router| router.with_route(&Route::of_host("eu.shop.example"), serve("eu")))
        .and_then(|router| {
            router.with_route(
                &Route::of_host("eu.shop.example").and_below("/api"),
                serve("eu api"),
            )
        })
        .and_then(|router| router.with_route(&Route::below("/api"), serve("api")))
        .and_then(|router| router.with_route(&Route::below("/api/v2"), serve("api v2")))
        .unwrap();
    for (host, path, served) in [
        ("eu.shop.example", "/", "eu"),
        ("EU.Shop.Example.:8443", "/api/", "eu api"),
        ("eu.shop.example", "/api/v2/x", "eu api"),
        ("us.shop.example", "/api", "shop names"),
        ("shop.example", "/", "names"),
        ("a.b.example", "/", "names"),
        ("example", "/", "rest"),
        ("notexample", "/", "rest"),
        (".example", "/", "rest"),
        ("[::1]:80", "/api", "api"),
        ("localhost", "/api/v2/x", "api v2"),
        ("localhost", "/api/v20", "api"),
        ("localhost", "/%61pi", "api"),
        ("localhost", "/apis", "rest"),
        ("a b", "/", "rest"),
        ("eu.shop.example:x", "/", "rest"),
    ] {
        let response = router.clone().oneshot(request(host, path)).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, served, "{host} {path}");
    }
    let target = Request::get("http://eu.shop.example/api").header("host", "localhost");
    let response = router.oneshot(target.body(()).unwrap()).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "eu api", "the host of the target");
}

#[tokio::test]
async fn route_applies_to_every_spelling_and_a_path_of_two_is_refused_with_an_event() {
    let recorder = Arc::new(Recorder::default());
    let router = Router::new(serve("rest"))
        .with_sink(recorder.clone())
        .with_route(&Route::below("/admin"), serve("admin"))
        .and_then(|router| router.with_route(&Route::below("/admin/café"), serve("café")))
        .and_then(|router| router.with_route(&Route::below("/open"), serve("open")))
        .unwrap();
    for (path, served) in [
        ("/x/%2e%2e/admin", "admin"),
        ("/x/..;/admin", "admin"),
        ("/ADMIN/%2e/x", "admin"),
        ("/admin/caf%C3%A9", "café"),
        ("/admin/x%2Fcaf", "admin"),
        ("/open/a%2Fb", "open"),
        ("/x//y", "rest"),
        ("*", "rest"),
    ] {
        let response = router.clone().oneshot(request("a", path)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, served, "{path}");
    }
    assert_eq!(recorder.take().len(), 0);
    for path in [
        "/open/%2e%2e/admin",
        "/open/..;/admin/x",
        "/admin/%2e%2e/open",
    ] {
        let response = router.clone().oneshot(request("a", path)).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.ends_with(b"depending on how it is read\n"), "{body:?}");
    }
    let events = recorder.take();
    assert_eq!(events.len(), 3);
    assert!(matches!(&events[0], Event::ProxyFailure(event) if event.status == 400));
}

#[test]
fn route_that_no_request_takes_is_an_error() {
    let router = Router::new(())
        .with_route(&Route::of_host("a.example"), ())
        .unwrap();
    let add = |route: &Route| router.clone().with_route(route, ()).err();
    for host in ["a.example:80", "", "*", "*.", "a/b", "a b", "a..*.b"] {
        let error = RouteError::Host(host.to_owned());
        assert_eq!(add(&Route::of_host(host)), Some(error));
    }
    assert_eq!(
        add(&Route::below("api")),
        Some(RouteError::Path("api".to_owned()))
    );
    assert_eq!(
        add(&Route::of_host("A.example")),
        Some(RouteError::Duplicate)
    );
    assert_eq!(
        add(&Route::of_host("a.example").and_below("/")),
        Some(RouteError::Duplicate)
    );
    assert_eq!(add(&Route::of_host("*.a.example")), None);
}
