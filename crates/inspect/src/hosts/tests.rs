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

fn denies(hosts: &HostAllowlist, head: &OwnedHead) -> bool {
    let proxies = ["10.0.0.0/8".parse().unwrap()];
    let rules = ClientRules::default().with_trusted(proxies).unwrap();
    let facts = head.facts(&rules);
    hosts
        .inspect(&facts, &mut RequestState::new(&facts))
        .refuses()
}

#[test]
fn configured_hosts_pass_in_any_case_and_port() {
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
            denies(&hosts, &OwnedHead::get("/").host(host)),
            refused,
            "{host}"
        );
    }
}

#[test]
fn without_hosts_all_pass() {
    assert!(!denies(&hosts(&[]), &OwnedHead::get("/").host("anything")));
}

#[test]
fn health_checks_pass_with_any_host_only_from_the_proxy_itself() {
    let hosts = hosts(&["app.example"]);
    let check = |path: &str| OwnedHead::get(path).host("10.0.3.7:8080");
    let agent = check("/").header("user-agent", "ELB-HealthChecker/2.0");
    assert!(!denies(&hosts, &check("/health").from("10.0.0.1")));
    assert!(!denies(&hosts, &agent.clone().from("10.0.0.1")));
    assert!(denies(&hosts, &check("/").from("10.0.0.1")));
    assert!(
        denies(&hosts, &check("/health").from("203.0.113.9")),
        "not from a proxy"
    );
    assert!(
        denies(&hosts, &agent.from("203.0.113.9")),
        "not from a proxy"
    );
    let behind = check("/health")
        .from("10.0.0.1")
        .header("x-forwarded-for", "203.0.113.9");
    assert!(denies(&hosts, &behind), "a client behind the balancer");
    for line in ["unknown", "", "6.6.6.6, unknown"] {
        let unknown = check("/health")
            .from("10.0.0.1")
            .header("x-forwarded-for", line);
        assert!(denies(&hosts, &unknown), "an unknown client: {line:?}");
    }
}

#[test]
fn errors_have_the_path_of_the_entry() {
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
    let paths: Vec<_> = errors.iter().map(|error| error.path.to_string()).collect();
    let expected = [
        "server.hosts[1]",
        "server.hosts[2]",
        "server.hosts[3]",
        "server.health_paths[0]",
    ];
    assert_eq!(paths, expected);
}
