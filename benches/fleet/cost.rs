//! The time of a request on a guard that shares its bans, beside one that does not.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use axum::body::Body;
use futures_util::FutureExt as _;
use gabion::{Guard, PeerAddr, ban::BanSnapshot};
use gabion_benches::{PolicyFiles, is_test, reference, requests};
use gabion_testkit::RedisServer;
use http::{Request, Response, StatusCode};
use tower::{Layer as _, Service, service_fn};

use crate::instance::{self, Instance};

/// The requests of a guard in a round, some milliseconds.
const REQUESTS: usize = 4_096;

/// The bans in all tables.
const BANS: u32 = 50_000;

/// The number of changes per second, half of them bans, half lifts.
const RATE: u32 = 1_000;

/// The networks that are banned and lifted in turns.
const CHANGING: u32 = 1_000;

/// The interval in which changes are made.
const TICK: Duration = Duration::from_millis(1);

/// Times requests, and prints ratios.
pub(crate) fn compare(redis: &RedisServer, rounds: usize) {
    let files = PolicyFiles::new()
        .expect("files")
        .without_bans()
        .expect("files");
    let guards = [(); 3].map(|()| guard(&files));
    let [alone, sharing, again] = &guards;
    let shared = instance::share(sharing, redis);
    assert!(shared.wait_ready(Duration::from_mins(1)));
    let mut services = [alone, sharing, again].map(|guard| guard.layer().layer(service_fn(answer)));
    let stops = Arc::new(AtomicBool::new(false));
    let peer = spawn_peer(redis, Arc::clone(&stops));
    let received = || shared.status().received;
    while received() == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    let (began, first) = (Instant::now(), received());
    let mut times = Vec::new();
    for round in 0..=rounds {
        let mut of_round = [0.0; 3];
        // The order changes, so that no guard is always the first after a pause.
        for turn in 0..3 {
            let nth = (turn + round) % 3;
            of_round[nth] = time(&mut services[nth]);
        }
        times.push(of_round);
    }
    // The first round warms up.
    times.remove(0);
    let rate = (received() - first) as f64 / began.elapsed().as_secs_f64();
    stops.store(true, Ordering::Relaxed);
    peer.join().expect("it ends");
    assert!(
        is_test() || rate > f64::from(RATE) * 0.9,
        "{rate} changes per second"
    );
    println!(
        "\na request, with sharing and {rate:.0} changes per second: {rounds} rounds of {REQUESTS}"
    );
    println!(
        "{:<22} {:>8.0} ns",
        "without sharing",
        quantile(&times, 0.5, |round| round[0])
    );
    for (name, nth) in [("with sharing", 1), ("without, again", 2)] {
        let ratio = |share| quantile(&times, share, |round| round[nth] / round[0]);
        println!(
            "{name:<22} {:>8.0} ns  ratio {:.3}, quartiles {:.3} to {:.3}, 90 % within {:.3} to {:.3}",
            quantile(&times, 0.5, |round| round[nth]),
            ratio(0.5),
            ratio(0.25),
            ratio(0.75),
            ratio(0.05),
            ratio(0.95),
        );
    }
}

/// A guard with the reference policy and bans.
fn guard(files: &PolicyFiles) -> Guard {
    let guard = Guard::builder()
        .with_policy_file(files.policy())
        .expect("a policy");
    let snapshot = BanSnapshot {
        bans: instance::stored(BANS),
        ..BanSnapshot::default()
    };
    guard.restore(&snapshot);
    guard
}

/// Starts another instance, which bans and lifts until it is stopped.
fn spawn_peer(redis: &RedisServer, stops: Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let peer = Instance::start(redis, BANS as usize * 2, Vec::new());
    peer.wait_ready();
    thread::spawn(move || {
        let (began, mut made) = (Instant::now(), 0_u32);
        while !stops.load(Ordering::Relaxed) {
            let due = began.elapsed().as_secs_f64() * f64::from(RATE);
            while f64::from(made) < due {
                peer.ban_or_lift(BANS + made / 2 % CHANGING, made.is_multiple_of(2));
                made += 1;
            }
            thread::sleep(TICK);
        }
    })
}

/// The nanoseconds of a request.
fn time<S, B>(service: &mut S) -> f64
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let peer: SocketAddr = SocketAddr::new(reference::CLIENT.parse().expect("an address"), 4711);
    let request = requests::page("/articles/2026/11?page=2").extension(PeerAddr::new(peer));
    let request = request.body(()).expect("a request");
    let began = Instant::now();
    for _ in 0..REQUESTS {
        let response = service
            .call(request.clone().map(|()| Body::empty()))
            .now_or_never();
        let status = response.map(|Ok(response)| response.status());
        assert_eq!(status, Some(StatusCode::OK));
    }
    began.elapsed().as_nanos() as f64 / REQUESTS as f64
}

async fn answer(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::empty()))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index of the vector"
)]
fn quantile(times: &[[f64; 3]], share: f64, value: impl Fn(&[f64; 3]) -> f64) -> f64 {
    let mut values: Vec<_> = times.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    let index = (values.len() - 1) as f64 * share;
    values[index as usize]
}
