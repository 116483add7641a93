//! Judging a clean request allocates nothing, regardless of the size of the policy.

use gabion_testkit::{TempFolder, TestRequest};
use std::{
    convert::Infallible,
    fmt::Write as _,
    future::{Ready, ready},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use gabion::{Guard, LimitLayer, event::Metrics, inspect::GuardService};
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer, Service};

use crate::support::in_process::{InProcess, ban, build_guarded, get};

/// A service that allocates nothing for its responses.
struct EmptyResponses;

impl Service<Request<()>> for EmptyResponses {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        drop(request);
        ready(Ok(Response::new(Empty::new())))
    }
}

/// Thousands of rules of every kind, ten thousand banned networks, and trusted proxies.
fn policy() -> String {
    let mut policy = String::from(
        r#"
        version = 1
        [client]
        trusted_proxies = ["10.0.0.0/8", "172.31.0.0/16", "fd00::/8"]
        [allow]
        networks = ["192.0.2.7", "2001:db8:a110::/48"]
        paths = ["/.well-known/acme-challenge/"]
        [ban]
        files = ["drop.netset"]
        [scan]
        [[deny]]
        id = "observed"
        regex = ['(?i)\.(sql|tar\.gz)$']
        mode = "observe"
        [[limit]]
        id = "per-client"
        rate = "1000000/s"
        mode = "enforce"
        [[limit]]
        id = "per-session"
        key = ["cookie:session", "path:1"]
        rate = "1000000/s"
        mode = "enforce"
        [[limit]]
        id = "logins"
        rate = "1000/s"
        paths = ["/"]
        statuses = [401]
        "#,
    );
    for n in 0..4_000 {
        let part = match n % 20 {
            0..5 => format!("exact = '/exact/{n}'"),
            5..10 => format!("prefix = '/prefix{n}/deep'"),
            10..15 => format!("names = 'name{n}.cfg'"),
            15..19 => format!("extensions = 'ext{n}'"),
            _ => format!("regex = '^/wp-(content|includes)/{n}/.*\\.(bak|old)$'"),
        };
        write!(policy, "[[deny]]\nid = 'rule-{n}'\n{part}\n").unwrap();
    }
    policy
}

fn networks() -> String {
    let listed = |n: u32| format!("45.{}.{}.0/24\n2a0e:{n:x}::/32\n", n / 256, n % 256);
    (0..5_000).map(listed).collect()
}

fn server() -> (InProcess, TempFolder) {
    let folder = TempFolder::new("clean_request");
    folder.write("drop.netset", &networks());
    let policy = folder.write("policy.toml", &policy());
    (
        build_guarded(|guard| guard.with_policy_file(policy)),
        folder,
    )
}

/// A browser's request through two proxies.
fn browser(target: &str) -> TestRequest {
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    [
        ("user-agent", agent),
        (
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        ),
        ("accept-language", "de,en-US;q=0.7,en;q=0.3"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        (
            "cookie",
            "session=0123456789abcdef0123456789abcdef; theme=dark",
        ),
        ("connection", "keep-alive"),
        ("sec-fetch-mode", "navigate"),
        ("x-forwarded-for", "6.6.6.6, 203.0.113.9"),
        ("x-forwarded-for", "172.31.4.4"),
    ]
    .into_iter()
    .fold(get(target).from("10.0.0.1"), |request, (name, value)| {
        request.header(name, value)
    })
}

/// The number of allocations of a request, from `poll_ready` to the head of the response.
fn allocations(
    service: &mut GuardService<EmptyResponses>,
    request: TestRequest,
    status: u16,
) -> u64 {
    let mut cx = Context::from_waker(Waker::noop());
    let mut answer = None;
    let counted = allocation_counter::measure(|| {
        let ready = Service::<Request<()>>::poll_ready(service, &mut cx);
        assert_eq!(ready, Poll::Ready(Ok(())));
        let response = pin!(service.call(request.0));
        if let Poll::Ready(Ok(response)) = response.poll(&mut cx) {
            answer = Some(response.status());
        }
    });
    assert_eq!(answer.expect("nothing in the way waits"), status);
    counted.count_total
}

/// The same number after everything that is allocated on first use.
#[track_caller]
fn warm_allocations(
    service: &mut GuardService<EmptyResponses>,
    request: &TestRequest,
    status: u16,
) -> u64 {
    for _ in 0..8 {
        allocations(service, request.clone(), status);
    }
    allocations(service, request.clone(), status)
}

#[test]
fn clean_request_allocates_nothing() {
    let (server, _folder) = server();
    ban(&server, "198.51.100.7");
    let mut service = server.guard.layer().layer(EmptyResponses);
    let direct = |addr| get("/a").from(addr);
    for request in [
        browser("/"),
        browser("/wp-content/themes/dark/style.css?ver=6.5"),
        browser("/index.php/apps/files/ajax/list.js"),
        browser("/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/photo-2024~1.jpeg"),
        direct("203.0.113.9"),
        direct("2001:db8::1"),
        direct("::ffff:203.0.113.9"),
        direct("203.0.113.9").header("my_header", "1"),
        direct("203.0.113.9").header("expect", "100-continue"),
        direct("203.0.113.9")
            .method("POST")
            .header("content-length", "5"),
    ] {
        assert_eq!(
            warm_allocations(&mut service, &request, 200),
            0,
            "{request:?}"
        );
    }
    assert_eq!(server.events.take().len(), 0, "all of them are clean");
}

#[test]
fn metrics_of_a_clean_request_allocate_nothing() {
    let metrics = Arc::new(Metrics::new());
    let builder = Guard::builder().with_meter(metrics.clone());
    let guard = builder.with_policy("version = 1\n", "policy").unwrap();
    let mut service = guard.layer().layer(EmptyResponses);
    let request = get("/a").from("203.0.113.9");
    assert_eq!(warm_allocations(&mut service, &request, 200), 0);
    // Some of these are timed.
    let many = (0..2 * Metrics::TIMED).map(|_| allocations(&mut service, request.clone(), 200));
    assert_eq!(many.sum::<u64>(), 0);
}

#[test]
fn single_layer_allocates_nothing_but_the_headers_that_it_shows() {
    let limit = LimitLayer::per_client("1000000/s".parse().unwrap());
    let request = get("/a").from("203.0.113.9");
    let mut service = limit.clone().layer(EmptyResponses);
    assert_eq!(warm_allocations(&mut service, &request, 200), 0);
    // The rare state of the request, its quota, two header values, and the two tables of a header map.
    let mut shown = limit.show().layer(EmptyResponses);
    assert_eq!(warm_allocations(&mut shown, &request, 200), 6);
}

#[test]
fn new_path_allocates_nothing_with_warm_expressions() {
    let (server, _folder) = server();
    let mut service = server.guard.layer().layer(EmptyResponses);
    let page = |n: u32| browser(&format!("/wp-content/uploads/2024/image-{n}.jpeg"));
    for n in 0..1_000 {
        allocations(&mut service, page(n), 200);
    }
    let unseen: u64 = (1_000..2_000)
        .map(|n| allocations(&mut service, page(n), 200))
        .sum();
    assert_eq!(unseen, 0, "in a thousand requests");
}

#[test]
fn encoded_path_and_denial_allocate_a_bounded_number() {
    let (server, _folder) = server();
    let mut service = server.guard.layer().layer(EmptyResponses);
    for (target, status, most) in [
        ("/caf%C3%A9/men%C3%BC", 200, 10),
        ("/a;v=1/b%20c", 200, 10),
        ("/x/name10.cfg", 403, 14),
        ("/..%255c..%252f%2e", 400, 26),
    ] {
        // Repeated denials ban, so each target has its own client.
        let client = format!("203.0.113.{}", target.len());
        let few = warm_allocations(&mut service, &browser(target).xff(&client), status);
        println!("{target}: {few}");
        assert!((1..=most).contains(&few), "{target}: {few} allocations");
        server.events.take();
    }
}
