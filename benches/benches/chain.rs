//! What a guard adds to a service, beside what its peers add.
//!
//! `cargo bench -p gabion-benches --bench chain`
//!
//! Everyone makes the same requests, with ten headers of a browser, and has them answered by the same
//! service, which does nothing; `added` is without what that takes by itself. Everyone knows the client.
//! gabion stands by the reference policy; `tower_governor` limits by address; of tower-http stand the layers
//! that refuse something or tell of requests, without anybody to tell. What is allocated is counted
//! over one request that is made beforehand, beside what the service alone allocates.

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a bench may stop"
)]

use std::{convert::Infallible, fs, net::SocketAddr, time::Duration};

use axum::{body::Body, extract::ConnectInfo};
use futures_util::FutureExt as _;
use gabion::{Guard, GuardLayer};
use gabion_benches::{Finish, Race, Written, asked, is_test, reference};
use governor::{clock::QuantaInstant, middleware::NoOpMiddleware};
use http::{Request, Response, StatusCode, header::COOKIE};
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

/// How often everyone answers all requests, which take less than a slice of the scheduler's.
const ROUNDS: usize = 401;
const REQUESTS: usize = 1 << 8;

/// Budgets of a client: one that is never used up, and one that is by the first request.
const PLENTY: (u32, Duration) = (1_000_000, Duration::from_nanos(1));
const SCARCE: (u32, Duration) = (1, Duration::from_hours(1));

/// What each adds to the bare service that is asked for the same.
struct Contest<'r> {
    race: Race<'r>,
    rows: Vec<Row>,
    requests: usize,
    /// What is asked for, and which row is the bare service.
    asked: Option<(Request<()>, usize)>,
}

struct Row {
    /// What is asked for, where it is another than in the row before.
    asked: Option<&'static str>,
    bare: usize,
    allocations: u64,
}

fn main() {
    // A timeout asks it for the time.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    let _entered = runtime.enter();
    let (rounds, requests) = if is_test() {
        (1, 16)
    } else {
        (ROUNDS, REQUESTS)
    };
    let mut contest = Contest {
        race: Race::new(),
        rows: Vec::new(),
        requests,
        asked: None,
    };
    let passed = clean(&mut contest);
    let denied = refused(&mut contest);
    let allocations = contest.rows[passed].allocations;
    assert_eq!(allocations, 0, "gabion allocates for a known client");
    let added = contest.run(rounds);
    let ratio = added[denied] / added[passed];
    println!("\ngabion adds {ratio:.2} times as much where it denies by a rule as where it passes");
}

/// Requests that pass. In which row gabion passes one that comes as its browser sent it.
fn clean(contest: &mut Contest<'_>) -> usize {
    let page = || asked::page("/articles/2026/11?page=2");
    contest.ask("a clean request", from(reference::CLIENT, page()));
    let guard = guard(|policy| policy);
    let passed = contest.enter("gabion", StatusCode::OK, guard.layer(service_fn(answer)));
    let plain = limit(PLENTY, PeerIpKeyExtractor).finish();
    let plain = GovernorLayer::new(plain.unwrap()).layer(service_fn(answer));
    contest.enter("tower_governor", StatusCode::OK, plain);
    let told = limit(PLENTY, PeerIpKeyExtractor).use_headers().finish();
    let told = GovernorLayer::new(told.unwrap()).layer(service_fn(answer));
    contest.enter("tower_governor with headers", StatusCode::OK, told);
    let (late, soon) = (StatusCode::REQUEST_TIMEOUT, Duration::from_secs(30));
    let layers = ServiceBuilder::new()
        .layer(SetSensitiveRequestHeadersLayer::new([COOKIE]))
        .layer(TraceLayer::new_for_http())
        .layer(TimeoutLayer::with_status_code(late, soon))
        .layer(RequestBodyLimitLayer::new(1 << 20));
    let layers = layers.service(service_fn(answer));
    contest.enter("four layers of tower-http", StatusCode::OK, layers);

    let page = page().header("x-forwarded-for", reference::CLIENT);
    contest.ask(
        "a clean request, through a balancer",
        from("127.0.0.1", page),
    );
    contest.enter("gabion", StatusCode::OK, guard.layer(service_fn(answer)));
    let told = limit(PLENTY, SmartIpKeyExtractor).use_headers().finish();
    let told = GovernorLayer::new(told.unwrap()).layer(service_fn(answer));
    contest.enter("tower_governor with headers", StatusCode::OK, told);
    passed
}

/// Requests that do not. In which row gabion denies one by a rule.
fn refused(contest: &mut Contest<'_>) -> usize {
    let probe = asked::page("/wp-login.php");
    contest.ask("a probe", from(reference::CLIENT, probe));
    let guarded = guard(|policy| policy).layer(service_fn(answer));
    let denied = contest.enter("gabion", StatusCode::FORBIDDEN, guarded);

    let (page, status) = (asked::page("/"), StatusCode::TOO_MANY_REQUESTS);
    contest.ask("a request too many", from(reference::CLIENT, page));
    let scarce = guard(|policy| policy.replace("1000000/s", "1/h"));
    contest.enter("gabion", status, scarce.layer(service_fn(answer)));
    let plain = limit(SCARCE, PeerIpKeyExtractor).finish();
    let plain = GovernorLayer::new(plain.unwrap()).layer(service_fn(answer));
    contest.enter("tower_governor", status, plain);
    let told = limit(SCARCE, PeerIpKeyExtractor).use_headers().finish();
    let told = GovernorLayer::new(told.unwrap()).layer(service_fn(answer));
    contest.enter("tower_governor with headers", status, told);
    denied
}

/// A guard by what becomes of the reference policy.
fn guard(change: impl FnOnce(String) -> String) -> GuardLayer {
    let written = Written::new().unwrap();
    let policy = change(fs::read_to_string(written.policy()).unwrap());
    fs::write(written.policy(), policy).unwrap();
    let guard = Guard::builder().with_policy_file(written.policy());
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
    page.extension(ConnectInfo(peer)).body(()).unwrap()
}

/// What is guarded, whatever a layer makes of the body.
async fn answer<B>(_: Request<B>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::empty()))
}

// === impl Contest ===

impl<'r> Contest<'r> {
    /// Begins with another request, which the service answers by itself first.
    fn ask(&mut self, name: &'static str, request: Request<()>) {
        let bare = self.rows.len();
        self.asked = Some((request, bare));
        self.enter("bare service", StatusCode::OK, service_fn(answer));
        self.rows[bare].asked = Some(name);
    }

    /// Has one more service answer, with this status. In which row.
    fn enter<S, B>(&mut self, name: &str, status: StatusCode, mut service: S) -> usize
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + 'r,
    {
        let (request, bare) = self.asked.clone().unwrap();
        let mut serve = move |request: Request<()>| {
            let request = request.map(|()| Body::empty());
            let response = service.call(request).now_or_never();
            response.is_some_and(|Ok(response)| response.status() == status)
        };
        // What is made on first use has been made, and a scarce budget is used up.
        for _ in 0..8 {
            serve(request.clone());
        }
        let mut beforehand = Some(request.clone());
        let counted = allocation_counter::measure(|| {
            assert!(serve(beforehand.take().unwrap()), "{name}: {status}");
        });
        let alone = self.rows.get(bare).map_or(0, |row| row.allocations);
        self.rows.push(Row {
            asked: None,
            bare,
            allocations: counted.count_total - alone,
        });
        let requests = self.requests;
        self.race.enter(name, move || {
            let answers = (0..requests).map(|_| serve(request.clone()));
            answers.filter(|as_meant| *as_meant).count()
        });
        self.rows.len() - 1
    }

    /// Prints what each adds, and gives it.
    fn run(self, rounds: usize) -> Vec<f64> {
        let finishes = self.race.run(rounds, self.requests);
        println!("{:<32}{:>9}{:>9}{:>13}", "", "ns", "added", "allocations");
        let print = |(finish, row): (&Finish, &Row)| {
            if let Some(asked) = row.asked {
                println!("{asked}");
            }
            let (name, nanos, allocations) = (&finish.name, finish.nanos, row.allocations);
            let added = nanos - finishes[row.bare].nanos;
            println!("  {name:<30}{nanos:>9.0}{added:>9.0}{allocations:>13}");
            added
        };
        finishes.iter().zip(&self.rows).map(print).collect()
    }
}
