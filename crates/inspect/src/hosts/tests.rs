use crate::State;
use gabion_core::ClientRules;
use gabion_testkit::OwnedHead;

use super::*;

fn hosts(names: &[&str]) -> HostAllowlist {
    let config = ServerConfig {
        hosts: names.iter().copied().collect(),
        health_paths: ["/health"].into_iter().collect(),
        health_agents: ["ELB-HealthChecker/"].into_iter().collect(),
        ..ServerConfig::default()
    };
    config.compile(&Context::new(&State::scratch())).unwrap().0
}

fn refuses(hosts: &HostAllowlist, head: &OwnedHead) -> bool {
    let proxies = ["10.0.0.0/8".parse().unwrap()];
    let rules = ClientRules::default().with_trusted(proxies).unwrap();
    let facts = head.facts(&rules);
    hosts
        .inspect(&facts, &mut RequestState::new(&facts))
        .refuses()
}

#[test]
fn only_the_server_s_names_pass_whatever_case_and_port() {
    let hosts = hosts(&["app.example", "*.api.example", "2001:db8::1"]);
    for (host, refused) in [
        ("app.example", false),
        ("APP.example:8080", false),
        ("app.example.", false),
        ("v1.api.example", false),
        ("[2001:db8::1]:80", false),
        ("api.example", true),
        ("a.b.api.example", true),
        ("app.example.evil", true),
        ("203.0.113.7", true),
        ("", true),
        (&"a".repeat(300), true),
    ] {
        assert_eq!(
            refuses(&hosts, &OwnedHead::get("/").host(host)),
            refused,
            "{host}"
        );
    }
}

#[test]
fn no_names_pass_any() {
    assert!(!refuses(&hosts(&[]), &OwnedHead::get("/").host("anything")));
}

#[test]
fn health_checks_pass_by_any_name_and_nobody_who_claims_to_be_one() {
    let hosts = hosts(&["app.example"]);
    let check = |path: &str| OwnedHead::get(path).host("10.0.3.7:8080");
    let agent = check("/").header("user-agent", "ELB-HealthChecker/2.0");
    assert!(!refuses(&hosts, &check("/health").from("10.0.0.1")));
    assert!(!refuses(&hosts, &agent.clone().from("10.0.0.1")));
    assert!(refuses(&hosts, &check("/").from("10.0.0.1")));
    assert!(
        refuses(&hosts, &check("/health").from("203.0.113.9")),
        "a stranger"
    );
    assert!(refuses(&hosts, &agent.from("203.0.113.9")), "a stranger");
    let behind = check("/health")
        .from("10.0.0.1")
        .header("x-forwarded-for", "203.0.113.9");
    assert!(refuses(&hosts, &behind), "somebody behind the balancer");
}

#[test]
fn errors_name_their_place() {
    let config = ServerConfig {
        hosts: ["ok.example", "a b", "https://x", "app:80"]
            .into_iter()
            .collect(),
        health_paths: ["health"].into_iter().collect(),
        ..ServerConfig::default()
    };
    let errors = config
        .compile(&Context::new(&State::scratch()))
        .unwrap_err();
    let places: Vec<_> = errors.iter().map(|error| error.place.to_string()).collect();
    let expected = [
        "server.hosts[1]",
        "server.hosts[2]",
        "server.hosts[3]",
        "server.health_paths[0]",
    ];
    assert_eq!(places, expected);
}
