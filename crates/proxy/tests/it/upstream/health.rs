//! Active health checks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use gabion_proxy::{Balance, HealthCheck, UpstreamOptions};
use gabion_sinks::Tracing;
use gabion_testkit::{LoopbackServer, eventually};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::{sleep, timeout};

use super::get;
use crate::support::{Setup, group, logged};

/// A server whose check fails while `is_sick`, and that answers every other request.
async fn server(name: &'static str, is_sick: &Arc<AtomicBool>, is_http2: bool) -> LoopbackServer {
    let is_sick = Arc::clone(is_sick);
    LoopbackServer::start(move |stream| {
        let is_sick = Arc::clone(&is_sick);
        let service = service_fn(move |request: Request<Incoming>| {
            let is_check = request.uri().path() == "/health";
            let mut response = Response::new(Full::<Bytes>::from(name));
            if is_check && is_sick.load(SeqCst) {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            async move { Ok::<_, std::convert::Infallible>(response) }
        });
        async move {
            let stream = TokioIo::new(stream);
            if is_http2 {
                let builder = http2::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(stream, service).await;
            } else {
                let builder = http1::Builder::new();
                let _ = builder.serve_connection(stream, service).await;
            }
        }
    })
    .await
}

async fn wait_for_log(upstream: &str, text: &str) {
    let found = eventually(|| logged(upstream).contains(text).then_some(())).await;
    assert!(found.is_some(), "no {text} in {}", logged(upstream));
}

#[tokio::test]
async fn unhealthy_upstream_gets_no_requests_until_it_is_healthy_again() {
    for (scheme, is_http2) in [("http", false), ("h2c", true)] {
        let is_sick = Arc::new(AtomicBool::new(true));
        let sick = server("sick", &is_sick, is_http2).await;
        let well = server("well", &Arc::default(), is_http2).await;
        let check = HealthCheck::new("/health")
            .unwrap()
            .with_interval(Duration::from_millis(50))
            .with_thresholds(2, 2);
        let options = UpstreamOptions::default()
            .with_balance(Balance::RoundRobin)
            .with_slow_start(Duration::ZERO)
            .with_health_check(check)
            .with_sink(Arc::new(Tracing::default()));
        let url = format!("{scheme}://{}", sick.addr());
        let group = group(&[&url, &format!("{scheme}://{}", well.addr())], &options);
        let checks = tokio::spawn(group.run_health_checks());
        let front = Setup::default().before_group(group);
        let reason = "2 health checks in a row failed, the last one: it answered 503";
        wait_for_log(&url, reason).await;
        for _ in 0..6 {
            assert_eq!(get(&front).await, "well");
        }
        is_sick.store(false, SeqCst);
        let returned = timeout(Duration::from_secs(5), async {
            while get(&front).await != "sick" {
                sleep(Duration::from_millis(10)).await;
            }
        });
        returned.await.expect("it does not return");
        wait_for_log(&url, "upstream is up, it was unhealthy").await;
        checks.abort();
    }
}

#[tokio::test]
async fn recovered_upstream_starts_slowly() {
    let is_sick = Arc::new(AtomicBool::new(true));
    let sick = server("sick", &is_sick, false).await;
    let well = server("well", &Arc::default(), false).await;
    let check = HealthCheck::new("/health")
        .unwrap()
        .with_interval(Duration::from_millis(30))
        .with_thresholds(1, 1);
    let options = UpstreamOptions::default()
        .with_balance(Balance::RoundRobin)
        .with_slow_start(Duration::from_mins(1))
        .with_health_check(check)
        .with_sink(Arc::new(Tracing::default()));
    let group = group(&[&sick.url(), &well.url()], &options);
    let checks = tokio::spawn(group.run_health_checks());
    let front = Setup::default().before_group(group);
    let url = sick.url();
    wait_for_log(&url, "unhealthy").await;
    is_sick.store(false, SeqCst);
    wait_for_log(&url, "upstream is up").await;
    let mut from_sick = 0;
    for _ in 0..44 {
        from_sick += usize::from(get(&front).await == "sick");
    }
    // A tenth of the weight of the other one.
    assert!((3..=5).contains(&from_sick), "{from_sick}");
    checks.abort();
}

#[tokio::test]
async fn all_unhealthy_upstreams_are_used() {
    let is_sick = Arc::new(AtomicBool::new(true));
    let (one, other) = (
        server("one", &is_sick, false).await,
        server("other", &is_sick, false).await,
    );
    let check = HealthCheck::new("/health")
        .unwrap()
        .with_interval(Duration::from_millis(30))
        .with_thresholds(1, 1);
    let options = UpstreamOptions::default()
        .with_health_check(check)
        .with_sink(Arc::new(Tracing::default()));
    let group = group(&[&one.url(), &other.url()], &options);
    let checks = tokio::spawn(group.run_health_checks());
    let front = Setup::default().before_group(group);
    for server in [&one, &other] {
        let url = server.url();
        wait_for_log(&url, "unhealthy").await;
    }
    for _ in 0..4 {
        get(&front).await;
    }
    checks.abort();
}
