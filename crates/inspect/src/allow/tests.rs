use gabion_core::ClientRules;
use gabion_testkit::OwnedHead;

use super::*;
use crate::State;

fn allow() -> Allow {
    let networks = ["203.0.113.7", "2001:db8::/32", "192.168.0.0/16"];
    AllowConfig {
        networks: networks.iter().map(|net| net.parse().unwrap()).collect(),
        paths: ["/.well-known/acme-challenge/"].into_iter().collect(),
    }
    .compile(&Context::new(&State::scratch()))
    .unwrap()
}

#[track_caller]
fn check(from: &str, forwarded: Option<&str>, path: &str, rule: Option<&str>) {
    let head = OwnedHead::get(path).from(from);
    let head = match forwarded {
        Some(hop) => head.header("x-forwarded-for", hop),
        None => head,
    };
    let proxies = ["10.0.0.0/8".parse().unwrap()];
    let rules = ClientRules::default().with_trusted(proxies).unwrap();
    let facts = head.facts(&rules);
    let verdict = allow().inspect(&facts, &mut RequestState::new(&facts));
    let got = match &verdict {
        Verdict::Allow(cause) => Some(cause.rule.as_str()),
        _ => None,
    };
    assert_eq!(got, rule, "{from} {path}: {verdict}");
}

#[test]
fn client_in_an_allowed_network_is_allowed() {
    check("203.0.113.7", None, "/.env", Some("allow/network"));
    check("203.0.113.8", None, "/.env", None);
    check("2001:db8::9", None, "/", Some("allow/network"));
    check("10.0.0.1", Some("203.0.113.7"), "/", Some("allow/network"));
    check("192.168.0.9", None, "/", Some("allow/network"));
    check("10.0.0.1", Some("192.168.0.9"), "/", None);
}

#[test]
fn path_is_allowed_only_in_every_view() {
    let acme = "/.well-known/acme-challenge";
    let rule = Some("allow/path");
    check("198.51.100.1", None, &format!("{acme}/token"), rule);
    check("198.51.100.1", None, acme, rule);
    check("198.51.100.1", None, &format!("{acme}/%74oken"), rule);
    check("198.51.100.1", None, &format!("{acme}s/token"), None);
    check("198.51.100.1", None, &format!("{acme}/../../.env"), None);
    check("198.51.100.1", None, &format!("/.env/../{acme}/x"), None);
    check("198.51.100.1", None, &format!("{acme}//x"), rule);
    check("198.51.100.1", None, &format!("{acme}//../x"), None);
    check("198.51.100.1", None, &format!("{acme}/x%3f"), rule);
    check("198.51.100.1", None, &format!("{acme}%3fx"), None);
    check(
        "198.51.100.1",
        None,
        &format!("{acme}/..%2f..%2f.env"),
        None,
    );
    check("198.51.100.1", None, &format!("{acme}/..;/..;/.env"), None);
    check("198.51.100.1", None, &format!("{acme}/%00"), None);
    check("198.51.100.1", None, &format!("/x{acme}/token"), None);
}

#[test]
fn errors_have_the_path_of_the_entry() {
    let errors = AllowConfig {
        networks: vec!["0.0.0.0/0".parse().unwrap()],
        paths: ["/", "x", "/a/../b"].into_iter().collect(),
    }
    .compile(&Context::new(&State::scratch()))
    .unwrap_err();
    let paths: Vec<_> = errors.iter().map(|error| error.path.to_string()).collect();
    assert_eq!(
        paths,
        [
            "allow.networks[0]",
            "allow.paths[0]",
            "allow.paths[1]",
            "allow.paths[2]"
        ]
    );
}
