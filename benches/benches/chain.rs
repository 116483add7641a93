//! The time that gabion adds to a service, beside the time that its peers add.
//!
//! `cargo bench -p gabion-benches --bench chain`
//!
//! All layers get the same requests, with ten headers of a browser, in front of the same service, which
//! does nothing. The column `added` is the time without that of the bare service. Each layer has seen the
//! client before. gabion runs the reference policy; `tower_governor` limits by address; of tower-http, the
//! four layers that refuse or trace requests are measured, without a tracing subscriber. Allocations are
//! counted over one request that is built before the count starts, without those of the bare service.

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a bench may panic"
)]

use std::{convert::Infallible, fs, net::SocketAddr, sync::Arc, time::Duration};

use axum::{body::Body, extract::ConnectInfo};
use futures_util::FutureExt as _;
use gabion::{Guard, GuardBuilder, GuardLayer, PeerAddr, event::Metrics};
use gabion_benches::{Comparison, PolicyFiles, Timing, is_test, reference, requests};
use governor::{clock::QuantaInstant, middleware::NoOpMiddleware};
use http::{Request, Response, StatusCode, header::COOKIE};
use metrics_exporter_prometheus::PrometheusBuilder;
use tower::{Layer, Service, ServiceBuilder, service_fn};
use tower_governor::{
    GovernorLayer,
    governor::GovernorConfigBuilder,
    key_extractor::{KeyExtractor, PeerIpKeyExtractor, SmartIpKeyExtractor},
};
use tower_http::{
    limit::RequestBodyLimitLayer, sensitive_headers::SetSensitiveRequestHeadersLayer,
    timeout::TimeoutLayer, trace::TraceLayer,
};

/// Rounds, and requests per round. A round is shorter than a time slice of the scheduler.
const ROUNDS: usize = 401;
const REQUESTS: usize = 1 << 8;

/// Burst and period of a limit: one that is never reached, and one that the first request uses up.
const NEVER_REACHED: (u32, Duration) = (1_000_000, Duration::from_nanos(1));
const ONE_REQUEST: (u32, Duration) = (1, Duration::from_hours(1));

/// The table of results: each row is one service and one request, beside the bare service.
struct Table<'r> {
    comparison: Comparison<'r>,
    rows: Vec<Row>,
    requests: usize,
    /// The current request, and the index of its bare service's row.
    current: Option<(Request<()>, usize)>,
}

struct Row {
    /// The heading of a request, in its first row.
    heading: Option<&'static str>,
    /// The index of the bare service's row.
    bare: usize,
    allocations: u64,
}

fn main() {
    PrometheusBuilder::new().install_recorder().unwrap();
    // tower-http's timeout layer needs the runtime's timer.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    let _entered = runtime.enter();
    let (rounds, requests) = if is_test() {
        (1, 16)
    } else {
        (ROUNDS, REQUESTS)
    };
    let mut table = Table {
        comparison: Comparison::new(),
        rows: Vec::new(),
        requests,
        current: None,
    };
    let passed = add_clean_requests(&mut table);
    let denied = add_refused_requests(&mut table);
    let allocations = table.rows[passed].allocations;
    assert_eq!(allocations, 0, "gabion allocates for a known client");
    let added = table.run(rounds);
    let ratio = added[denied] / added[passed];
    println!("\nratio of the time that gabion adds to a denied and to a clean request: {ratio:.2}");
}

/// Adds requests that pass. Returns the row of gabion with a request that no proxy forwarded.
fn add_clean_requests(table: &mut Table<'_>) -> usize {
    let page = || requests::page("/articles/2026/11?page=2");
    table.add_request("a clean request", from(reference::CLIENT, page()));
    let guard = guard(|policy| policy);
    let passed = table.add_service("gabion", StatusCode::OK, guard.layer(service_fn(answer)));
    let metrics = Arc::new(Metrics::new());
    let counted = guard_with(|policy| policy, |guard| guard.with_meter(metrics));
    let counted = counted.layer(service_fn(answer));
    table.add_service("gabion, with metrics", StatusCode::OK, counted);
    let empty = Guard::from_policy("version = 1").unwrap().layer();
    let empty = empty.layer(service_fn(answer));
    table.add_service("gabion, an empty policy", StatusCode::OK, empty);
    let plain = limit(NEVER_REACHED, PeerIpKeyExtractor).finish();
    let plain = GovernorLayer::new(plain.unwrap()).layer(service_fn(answer));
    table.add_service("tower_governor", StatusCode::OK, plain);
    let with_headers = limit(NEVER_REACHED, PeerIpKeyExtractor)
        .use_headers()
        .finish();
    let with_headers = GovernorLayer::new(with_headers.unwrap()).layer(service_fn(answer));
    table.add_service("tower_governor with headers", StatusCode::OK, with_headers);
    let (late, soon) = (StatusCode::REQUEST_TIMEOUT, Duration::from_secs(30));
    let layers = ServiceBuilder::new()
        .layer(SetSensitiveRequestHeadersLayer::new([COOKIE]))
        .layer(TraceLayer::new_for_http())
        .layer(TimeoutLayer::with_status_code(late, soon))
        .layer(RequestBodyLimitLayer::new(1 << 20));
    let layers = layers.service(service_fn(answer));
    table.add_service("four layers of tower-http", StatusCode::OK, layers);

    // axum's extractor needs the client in an extension, which is an allocation.
    let peer = SocketAddr::new(reference::CLIENT.parse().unwrap(), 4711);
    let in_axum = page().extension(ConnectInfo(peer)).body(()).unwrap();
    table.add_request("a clean request, in an axum server", in_axum);
    table.add_service("gabion", StatusCode::OK, guard.layer(service_fn(answer)));

    let page = page().header("x-forwarded-for", reference::CLIENT);
    table.add_request(
        "a clean request, through a balancer",
        from("127.0.0.1", page),
    );
    table.add_service("gabion", StatusCode::OK, guard.layer(service_fn(answer)));
    let with_headers = limit(NEVER_REACHED, SmartIpKeyExtractor)
        .use_headers()
        .finish();
    let with_headers = GovernorLayer::new(with_headers.unwrap()).layer(service_fn(answer));
    table.add_service("tower_governor with headers", StatusCode::OK, with_headers);
    passed
}

/// Adds requests that are refused. Returns the row of gabion with a request that a rule denies.
fn add_refused_requests(table: &mut Table<'_>) -> usize {
    let probe = requests::page("/wp-login.php");
    table.add_request("a probe", from(reference::CLIENT, probe));
    let guarded = guard(|policy| policy).layer(service_fn(answer));
    let denied = table.add_service("gabion", StatusCode::FORBIDDEN, guarded);

    let (page, status) = (requests::page("/"), StatusCode::TOO_MANY_REQUESTS);
    table.add_request("a request over the limit", from(reference::CLIENT, page));
    let scarce = guard(|policy| policy.replace("1000000/s", "1/h"));
    table.add_service("gabion", status, scarce.layer(service_fn(answer)));
    let plain = limit(ONE_REQUEST, PeerIpKeyExtractor).finish();
    let plain = GovernorLayer::new(plain.unwrap()).layer(service_fn(answer));
    table.add_service("tower_governor", status, plain);
    let with_headers = limit(ONE_REQUEST, PeerIpKeyExtractor)
        .use_headers()
        .finish();
    let with_headers = GovernorLayer::new(with_headers.unwrap()).layer(service_fn(answer));
    table.add_service("tower_governor with headers", status, with_headers);
    denied
}

/// Builds the layer of a guard with the reference policy, edited by `change`.
fn guard(change: impl FnOnce(String) -> String) -> GuardLayer {
    guard_with(change, |builder| builder)
}

/// Builds the layer of a guard with the reference policy, edited by `change`, and more options.
fn guard_with(
    change: impl FnOnce(String) -> String,
    options: impl FnOnce(GuardBuilder) -> GuardBuilder,
) -> GuardLayer {
    let files = PolicyFiles::new().unwrap().without_bans().unwrap();
    let policy = change(fs::read_to_string(files.policy()).unwrap());
    fs::write(files.policy(), policy).unwrap();
    let guard = options(Guard::builder()).with_policy_file(files.policy());
    guard.unwrap().layer()
}

fn limit<K: KeyExtractor>(
    (burst, period): (u32, Duration),
    key: K,
) -> GovernorConfigBuilder<K, NoOpMiddleware<QuantaInstant>> {
    let mut limit = GovernorConfigBuilder::default();
    limit.burst_size(burst).period(period).key_extractor(key)
}

fn from(peer: &str, page: http::request::Builder) -> Request<()> {
    let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
    let page = page.extension(PeerAddr::new(peer));
    page.extension(ConnectInfo(peer)).body(()).unwrap()
}

/// The bare service. Layers differ in the type of the request body.
async fn answer<B>(_: Request<B>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::empty()))
}

// === impl Table ===

impl<'r> Table<'r> {
    /// Starts a group of rows with another request. The first row of a group is the bare service.
    fn add_request(&mut self, heading: &'static str, request: Request<()>) {
        let bare = self.rows.len();
        self.current = Some((request, bare));
        self.add_service("bare service", StatusCode::OK, service_fn(answer));
        self.rows[bare].heading = Some(heading);
    }

    /// Adds a service that must answer the current request with `status`. Returns its row.
    fn add_service<S, B>(&mut self, name: &str, status: StatusCode, mut service: S) -> usize
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + 'r,
    {
        let (request, bare) = self.current.clone().unwrap();
        let mut serve = move |request: Request<()>| {
            let request = request.map(|()| Body::empty());
            let response = service.call(request).now_or_never();
            response.is_some_and(|Ok(response)| response.status() == status)
        };
        // Warms up caches and lazy initialization, and uses up the limit of one request.
        for _ in 0..8 {
            serve(request.clone());
        }
        let mut counted_request = Some(request.clone());
        let counted = allocation_counter::measure(|| {
            assert!(serve(counted_request.take().unwrap()), "{name}: {status}");
        });
        let alone = self.rows.get(bare).map_or(0, |row| row.allocations);
        self.rows.push(Row {
            heading: None,
            bare,
            allocations: counted.count_total - alone,
        });
        let requests = self.requests;
        self.comparison.add(name, move || {
            let answers = (0..requests).map(|_| serve(request.clone()));
            answers.filter(|is_expected| *is_expected).count()
        });
        self.rows.len() - 1
    }

    /// Times all rows, prints the table, and returns the added nanoseconds of each row.
    fn run(self, rounds: usize) -> Vec<f64> {
        let timings = self.comparison.run(rounds, self.requests);
        println!("{:<32}{:>9}{:>9}{:>13}", "", "ns", "added", "allocations");
        let print = |(timing, row): (&Timing, &Row)| {
            if let Some(heading) = row.heading {
                println!("{heading}");
            }
            let (name, nanos, allocations) = (&timing.name, timing.nanos, row.allocations);
            let added = nanos - timings[row.bare].nanos;
            println!("  {name:<30}{nanos:>9.0}{added:>9.0}{allocations:>13}");
            added
        };
        timings.iter().zip(&self.rows).map(print).collect()
    }
}
