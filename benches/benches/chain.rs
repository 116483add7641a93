//! The whole chain beside the bare service, in one run.
//!
//! `cargo bench -p gabion-benches` prints nanoseconds per request; what counts is the difference
//! to `bare`, since this measures a service that does nothing.

#![allow(
    missing_docs,
    reason = "criterion's macros write undocumented functions"
)]
#![allow(clippy::unwrap_used, reason = "a bench may stop")]

use std::{convert::Infallible, fmt::Write as _, hint::black_box};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt as _;
use gabion::Guard;
use gabion_benches::reference::COUNTING;
use gabion_testkit::peer;
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer, Service, service_fn};

/// Twenty rules, as a lone developer writes them.
const SMALL: usize = 20;
/// As many as a large list of probe paths has.
const LARGE: usize = 10_000;

fn policy(rules: usize) -> String {
    let mut text = String::from(
        "version = 1\n[client]\ntrusted_proxies = [\"10.0.0.0/8\"]\n[ban]\nnetworks = [",
    );
    for n in 0..rules {
        write!(text, "\"198.18.{}.{}\", ", n / 256, n % 256).unwrap();
    }
    text.push_str("]\n[[deny]]\nid = \"php\"\nextensions = [\"php\", \"phtml\"]\n");
    for n in 0..rules {
        let part = ["exact", "prefix"][n % 2];
        write!(text, "[[deny]]\nid = \"r{n}\"\n{part} = \"/probe/{n}/x\"\n").unwrap();
    }
    text
}

/// What a browser sends through a balancer.
fn request(path: &str) -> Request<()> {
    Request::get(path)
        .header("host", "app.example")
        .header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        )
        .header(
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        )
        .header("accept-language", "en-US,en;q=0.5")
        .header("accept-encoding", "gzip, deflate, br, zstd")
        .header("cookie", "session=0123456789abcdef0123456789abcdef")
        .header("x-forwarded-for", "203.0.113.9")
        .extension(peer("10.0.0.1"))
        .body(())
        .unwrap()
}

async fn bare(_request: Request<()>) -> Result<Response<Empty<Bytes>>, Infallible> {
    Ok(Response::new(Empty::new()))
}

fn chain(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chain");
    let mut measure = |name: String, path: &str, guard: Option<&Guard>| {
        group.bench_function(name, |bencher| {
            let setup = || request(path);
            let size = criterion::BatchSize::SmallInput;
            match guard {
                None => {
                    let mut service = service_fn(bare);
                    bencher.iter_batched(
                        setup,
                        |request| black_box(service.call(request).now_or_never()),
                        size,
                    );
                }
                Some(guard) => {
                    let mut service = guard.layer().layer(service_fn(bare));
                    bencher.iter_batched(
                        setup,
                        |request| black_box(service.call(request).now_or_never()),
                        size,
                    );
                }
            }
        });
    };
    measure("bare".to_owned(), "/articles/2026/11?page=2", None);
    for rules in [SMALL, LARGE] {
        let guard = Guard::from_policy(&policy(rules)).unwrap();
        measure(
            format!("{rules} rules, plain path"),
            "/articles/2026/11?page=2",
            Some(&guard),
        );
        measure(
            format!("{rules} rules, encoded path"),
            "/articles/caf%C3%A9/a%20b",
            Some(&guard),
        );
        measure(format!("{rules} rules, denied"), "/index.php", Some(&guard));
    }
    let guard = Guard::from_policy(&(policy(LARGE) + COUNTING)).unwrap();
    measure(
        format!("{LARGE} rules, limits and scan, plain path"),
        "/articles/2026/11?page=2",
        Some(&guard),
    );
}

criterion_group!(benches, chain);
criterion_main!(benches);
