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
fn every_spelling_of_a_configured_host_accepts_every_spelling_of_a_requested_one() {
    for (entries, requested) in [
        (
            &[
                "app.example",
                "App.Example",
                "app.example.",
                "app.example:443",
                "APP.EXAMPLE.:80",
            ][..],
            &[
                "app.example",
                "APP.example",
                "app.example.",
                "app.example.:8443",
                "app.example:",
            ][..],
        ),
        (
            &["*.app.example", "*.App.Example.", "*.app.example.:443"],
            &["v1.app.example", "V1.APP.example.", "v1.app.example:8443"],
        ),
        (
            &["192.0.2.7", "192.0.2.7:443"],
            &["192.0.2.7", "192.0.2.7:8080", "192.0.2.7."],
        ),
        (
            &[
                "2001:db8::a",
                "2001:DB8::A",
                "2001:0db8:0:0:0:0:0:000a",
                "[2001:db8::a]",
                "[2001:db8::0:A]:443",
                "2001:db8::0.0.0.10",
            ],
            &[
                "[2001:db8::a]",
                "[2001:DB8:0::A]",
                "[2001:db8:0:0:0:0:0:a]:8080",
                "[2001:db8::0.0.0.10]",
            ],
        ),
    ] {
        for entry in entries {
            let hosts = hosts(&[entry]);
            for host in requested {
                let head = OwnedHead::get("/").host(host);
                assert!(!denies(&hosts, &head), "{host} by {entry}");
            }
            for other in [
                "other.example",
                "[2001:db8::b]",
                "192.0.2.8",
                "app.example.other",
            ] {
                let head = OwnedHead::get("/").host(other);
                assert!(denies(&hosts, &head), "{other} by {entry}");
            }
        }
    }
}

#[test]
fn sample_requests_use_a_host_that_passes() {
    for entry in [
        "App.Example.",
        "*.app.example",
        "2001:DB8::A",
        "[::1]:80",
        "192.0.2.7:80",
    ] {
        let config = ServerConfig {
            hosts: [entry].into_iter().collect(),
            ..ServerConfig::default()
        };
        let head = OwnedHead::get("/").host(&config.a_host().unwrap());
        assert!(!denies(&hosts(&[entry]), &head), "{entry}");
        let protocol = crate::ProtocolRules::default();
        let facts = head.facts(&ClientRules::default());
        let verdict = protocol.inspect(&facts, &mut RequestState::new(&facts));
        assert_eq!(verdict, Verdict::Pass, "{entry}");
    }
}

#[test]
fn hosts_that_no_request_can_have_are_errors() {
    let long = "a".repeat(254);
    let entries = [
        "",
        ".",
        "..",
        "*",
        "*.",
        "*.*.example",
        "a.*.example",
        "a b",
        "a..example",
        ".example",
        "https://app.example",
        "app.example/",
        "app:x",
        "app:80:81",
        "app:",
        "app:+80",
        "app:65536",
        "[::1",
        "[app.example]",
        "*.[::1]",
        "fe80::1%eth0",
        "münchen.example",
        &long,
    ];
    for entry in entries {
        let config = ServerConfig {
            hosts: [entry].into_iter().collect(),
            ..ServerConfig::default()
        };
        assert!(
            config.compile(&Context::new(&State::scratch())).is_err(),
            "{entry}"
        );
        assert_eq!(config.a_host(), None, "{entry}");
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
        hosts: ["ok.example", "a b", "https://x", "app:x"]
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

#[test]
fn denial_of_a_possible_health_check_names_the_line_that_lets_it_pass() {
    let proxies = ["10.0.0.0/8".parse().unwrap()];
    let rules = ClientRules::default().with_trusted(proxies).unwrap();
    let why = |head: &OwnedHead| {
        let facts = head.facts(&rules);
        let hosts = hosts(&["app.example"]);
        hosts
            .inspect(&facts, &mut RequestState::new(&facts))
            .to_string()
    };
    let check = |path: &str| OwnedHead::get(path).host("10.0.3.7:8080").from("10.0.0.1");
    let verdict = why(&check("/healthz"));
    let (_, line) = verdict.split_once("set in [server]: ").expect("a line");
    let (line, _) = line.split_once(']').unwrap();
    let config: ServerConfig =
        toml::from_str(&format!("hosts = ['app.example']\n{line}]")).unwrap();
    let (changed, _) = config.compile(&Context::new(&State::scratch())).unwrap();
    assert!(!denies(&changed, &check("/healthz")));
    assert!(denies(&changed, &check("/other")));
    for head in [
        check("/healthz").from("203.0.113.9"),
        check("/healthz").header("x-forwarded-for", "203.0.113.9"),
        check("/a%22]b"),
        check(&format!("/{}", "a".repeat(100))),
    ] {
        let verdict = why(&head);
        assert!(verdict.contains("host not in [server] hosts"), "{verdict}");
        assert!(!verdict.contains("health"), "{verdict}");
    }
}
