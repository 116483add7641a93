//! `/metrics`, without a recorder and with one.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::Served;

#[test]
fn program_without_a_recorder_says_so() {
    let served = Served::start();
    let (status, body) = served.get("/metrics");
    assert_eq!(status, 404);
    assert_eq!(
        body["error"],
        "this program exports no metrics: it has no recorder for them"
    );
}

#[test]
fn metrics_need_the_token_over_tcp() {
    let served = Served::start_with(|admin| admin.with_metrics(|| "gabion_test 1\n".to_owned()));
    let host = "Host: localhost\r\n";
    let (status, _) = served.tcp("GET /metrics", host, "");
    assert_eq!(status, 401);
    let with_token = format!("{host}{}", served.bearer());
    let (status, _) = served.tcp("GET /metrics", &with_token, "");
    assert_eq!(status, 200);
    let cross_site = format!("{with_token}Origin: http://example.com\r\n");
    let (status, _) = served.tcp("GET /metrics", &cross_site, "");
    assert_eq!(status, 403);
    assert_eq!(served.text("/metrics"), "gabion_test 1\n");
}

#[test]
fn every_scrape_renders_anew() {
    let scrapes = AtomicU32::new(0);
    let served = Served::start_with(|admin| {
        admin.with_metrics(move || {
            format!("gabion_test {}\n", scrapes.fetch_add(1, Ordering::Relaxed))
        })
    });
    assert_eq!(served.text("/metrics"), "gabion_test 0\n");
    assert_eq!(served.text("/metrics"), "gabion_test 1\n");
}
