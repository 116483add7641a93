//! A rate limit per client as a tower layer, beside `tower_governor`: on one thread, and on two threads
//! that share a service.
//!
//! `cargo bench -p gabion-benches --bench limit_layer`
//!
//! All layers get the same requests, with ten headers of a browser, in front of the same service, which
//! does nothing. All limits have the same quota, which is never used up. A result is the wall-clock time of
//! one request on each thread. The column `added` is the time without that of the bare service; `ratio`
//! compares the added time with that of `tower_governor` with headers.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench may panic")]

use std::{convert::Infallible, net::SocketAddr, sync::Barrier, thread, time::Duration};

use axum::{body::Body, extract::ConnectInfo};
use futures_util::FutureExt as _;
use gabion::{LimitLayer, PeerAddr};
use gabion_benches::{Comparison, is_test, requests};
use governor::{clock::QuantaInstant, middleware::NoOpMiddleware};
use http::{Request, Response, StatusCode};
use tower::{Layer as _, Service, service_fn};
use tower_governor::{
    GovernorLayer, governor::GovernorConfigBuilder, key_extractor::PeerIpKeyExtractor,
};

/// Rounds, and requests of each thread per round. A round on two threads starts them anew, which takes less
/// than 1 % of its time.
const ROUNDS: usize = 101;
const REQUESTS: usize = 1 << 13;

/// The clients of the threads, one for each thread, with a heading.
const GROUPS: [(&str, &[&str]); 3] = [
    ("one thread", &["203.0.113.9"]),
    ("two threads, two clients", &["203.0.113.9", "203.0.113.10"]),
    ("two threads, one client", &["203.0.113.9", "203.0.113.9"]),
];

/// The row that the others are compared with.
const PEER: &str = "tower_governor with headers";

fn main() {
    println!("{:<34}{:>9}{:>9}{:>9}", "", "ns", "added", "ratio");
    for (heading, clients) in GROUPS {
        println!("{heading}");
        compare(clients);
    }
}

fn compare(clients: &[&str]) {
    let rate = "1000000/s".parse().unwrap();
    let plain = LimitLayer::per_client(rate).layer(service_fn(answer));
    let shown = LimitLayer::per_client(rate).show();
    let shown = shown.layer(service_fn(answer));
    let governor = GovernorLayer::new(config().finish().unwrap());
    let governor = governor.layer(service_fn(answer));
    let peer = GovernorLayer::new(config().use_headers().finish().unwrap());
    let peer = peer.layer(service_fn(answer));
    let mut comparison = Comparison::new();
    add(&mut comparison, "bare service", clients, service_fn(answer));
    add(&mut comparison, "LimitLayer", clients, plain);
    add(&mut comparison, "LimitLayer with headers", clients, shown);
    add(&mut comparison, "tower_governor", clients, governor);
    add(&mut comparison, PEER, clients, peer);
    let timings = comparison.run(if is_test() { 1 } else { ROUNDS }, requests());
    let added = |nanos: f64| nanos - timings[0].nanos;
    let peer = timings.iter().find(|timing| timing.name == PEER).unwrap();
    for timing in &timings {
        let (name, nanos) = (&timing.name, timing.nanos);
        let ratio = added(nanos) / added(peer.nanos);
        println!("  {name:<32}{nanos:>9.0}{:>9.0}{ratio:>9.2}", added(nanos));
    }
}

fn requests() -> usize {
    if is_test() { 16 } else { REQUESTS }
}

fn config() -> GovernorConfigBuilder<PeerIpKeyExtractor, NoOpMiddleware<QuantaInstant>> {
    let mut limit = GovernorConfigBuilder::default();
    limit.burst_size(1_000_000).period(Duration::from_micros(1));
    limit
}

/// The bare service. Layers differ in the type of the request body.
async fn answer<B>(_: Request<B>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::empty()))
}

/// Adds a service, called by one thread for each client. Every request must be answered with 200.
fn add<'r, S, B>(comparison: &mut Comparison<'r>, name: &str, clients: &[&str], service: S)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'r,
{
    let requests: Vec<_> = clients.iter().map(|client| request(client)).collect();
    comparison.add(name, move || match &requests[..] {
        [request] => serve(service.clone(), request),
        requests => {
            let start = Barrier::new(requests.len());
            thread::scope(|scope| {
                let serve_all = |request| {
                    let (service, start) = (service.clone(), &start);
                    scope.spawn(move || {
                        start.wait();
                        serve(service, request)
                    })
                };
                let threads: Vec<_> = requests.iter().map(serve_all).collect();
                let answered = threads.into_iter().map(|thread| thread.join().unwrap());
                answered.sum()
            })
        }
    });
}

fn request(client: &str) -> Request<()> {
    let peer = SocketAddr::new(client.parse().unwrap(), 4711);
    let page = requests::page("/articles/2026/11?page=2").extension(PeerAddr::new(peer));
    page.extension(ConnectInfo(peer)).body(()).unwrap()
}

/// Sends the requests of one thread. Returns the number of those answered with 200.
fn serve<S, B>(mut service: S, request: &Request<()>) -> usize
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let answers = (0..requests()).filter(|_| {
        let request = request.clone().map(|()| Body::empty());
        let response = service.call(request).now_or_never();
        response.is_some_and(|Ok(response)| response.status() == StatusCode::OK)
    });
    answers.count()
}
