//! A request for an unknown host is refused with 421. A load balancer's health check is not.

use crate::support::in_process::{get, guarded};
use gabion_testkit::TestRequest;

const POLICY: &str = r#"
    version = 1
    [server]
    hosts = ["app.example", "*.api.example"]
    health_paths = ["/health"]
    [client]
    trusted_proxies = ["10.0.0.0/8"]
    [[expect]]
    request = "GET /"
    verdict = "pass"
"#;

fn with_host(host: &str, target: &str) -> TestRequest {
    get(target).without_host().header("host", host)
}

#[test]
fn only_listed_hosts_are_served() {
    let server = guarded(POLICY);
    for (host, verdict) in [
        ("app.example", "200"),
        ("App.Example:8443", "200"),
        ("v2.api.example", "200"),
        ("203.0.113.7", "421 host/foreign"),
        ("app.example.evil.example", "421 host/foreign"),
    ] {
        assert_eq!(server.verdict(with_host(host, "/")), verdict, "{host}");
    }
}

#[test]
fn health_check_is_served_for_any_host_and_clients_behind_the_balancer_are_not() {
    let server = guarded(POLICY);
    let check = |from: &str| with_host("10.0.3.7:8080", "/health").from(from);
    assert_eq!(server.verdict(check("10.0.0.1")), "200");
    assert_eq!(server.verdict(check("203.0.113.9")), "421 host/foreign");
    let backend = check("10.0.0.1").xff("203.0.113.9");
    assert_eq!(server.verdict(backend), "421 host/foreign");
}

#[test]
fn hosts_are_observed_if_the_document_is_in_observe_mode() {
    let observing = POLICY.replace("version = 1", "version = 1\nmode = \"observe\"");
    let answer = guarded(&observing).send(with_host("evil.example", "/"));
    assert_eq!(answer.verdict(), "200");
    assert!(answer.event_texts()[0].contains("would have been denied (421): rule host/foreign"));
}
