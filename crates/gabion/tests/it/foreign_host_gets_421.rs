//! A request for a host that is not here is refused; a balancer's health check is not.

use crate::support::in_process::{Ask, Wall, get};

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

fn asking(host: &str, target: &str) -> Ask {
    get(target).without_host().header("host", host)
}

#[test]
fn only_hosts_that_are_here_are_served() {
    let wall = Wall::of(POLICY);
    for (host, verdict) in [
        ("app.example", "200"),
        ("App.Example:8443", "200"),
        ("v2.api.example", "200"),
        ("203.0.113.7", "421 host/foreign"),
        ("app.example.evil.example", "421 host/foreign"),
    ] {
        assert_eq!(wall.verdict(asking(host, "/")), verdict, "{host}");
    }
}

#[test]
fn health_check_is_served_by_any_name_and_nobody_behind_the_balancer_is() {
    let wall = Wall::of(POLICY);
    let check = |from: &str| asking("10.0.3.7:8080", "/health").from(from);
    assert_eq!(wall.verdict(check("10.0.0.1")), "200");
    assert_eq!(wall.verdict(check("203.0.113.9")), "421 host/foreign");
    let behind = check("10.0.0.1").xff("203.0.113.9");
    assert_eq!(wall.verdict(behind), "421 host/foreign");
}

#[test]
fn hosts_are_observed_where_the_document_observes() {
    let observing = POLICY.replace("version = 1", "version = 1\nmode = \"observe\"");
    let answer = Wall::of(&observing).send(asking("evil.example", "/"));
    assert_eq!(answer.verdict(), "200");
    assert!(answer.words()[0].contains("would have been denied (421): rule host/foreign"));
}
