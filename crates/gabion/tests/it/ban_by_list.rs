//! Clients on a ban list are refused, and the denial names the list and the line.

use gabion::{
    event::{Event, RequestEventKind},
    inspect::Reason,
};
use gabion_testkit::TempFolder;

use crate::support::in_process::{InProcess, build_guarded, get, guarded};

const POLICY: &str = r#"
    version = 1
    [ban]
    networks = ["198.51.100.0/24", "2001:db8:bad::/48"]
    files = ["drop.netset", "feeds/worst.txt"]
"#;
const DROP: &str = "# worst first\n192.0.2.0/24\n\n198.51.100.128/25 ; a part of a banned one\n";
const WORST: &str = "192.0.2.66\t12\r\n2001:db8:bad:1::/64\n";

fn server() -> (InProcess, TempFolder) {
    let folder = TempFolder::new("ban_by_list");
    folder.write("drop.netset", DROP);
    folder.write("feeds/worst.txt", WORST);
    let policy = folder.write("policy.toml", POLICY);
    (
        build_guarded(|guard| guard.with_policy_file(policy)),
        folder,
    )
}

#[test]
fn longest_network_names_its_list_and_line() {
    let (server, _folder) = server();
    for (client, network, list, line) in [
        ("198.51.100.1", "198.51.100.0/24", "ban.networks", 1),
        ("198.51.100.255", "198.51.100.128/25", "drop.netset", 4),
        ("192.0.2.65", "192.0.2.0/24", "drop.netset", 2),
        ("192.0.2.66", "192.0.2.66/32", "feeds/worst.txt", 1),
        ("::ffff:192.0.2.66", "192.0.2.66/32", "feeds/worst.txt", 1),
        ("2001:db8:bad::1", "2001:db8:bad::/48", "ban.networks", 2),
        (
            "2001:db8:bad:1::1",
            "2001:db8:bad:1::/64",
            "feeds/worst.txt",
            2,
        ),
    ] {
        let answer = server.send(get("/").from(client));
        assert_eq!(answer.verdict(), "403 ban/list", "{client}");
        let reason = Reason::Listed {
            network: network.parse().unwrap(),
            list: list.into(),
            line,
        };
        match &answer.events[..] {
            [Event::Request(event)] => match &event.kind {
                RequestEventKind::Denied(denial) => {
                    assert_eq!(denial.cause.reason, reason, "{client}");
                }
                what => panic!("{client}: {what}"),
            },
            events => panic!("{client}: {events:?}"),
        }
    }
}

#[test]
fn neighbors_of_listed_networks_pass() {
    let (server, _folder) = server();
    for client in [
        "198.51.99.255",
        "198.51.101.0",
        "192.0.1.255",
        "192.0.3.0",
        "2001:db8:bac:ffff::1",
        "2001:db8:bae::1",
        "::1",
    ] {
        assert_eq!(server.verdict(get("/").from(client)), "200", "{client}");
    }
}

#[test]
fn client_behind_a_proxy_is_looked_up_and_not_the_proxy() {
    let server = guarded(
        r#"
        version = 1
        [client]
        trusted_proxies = ["10.0.0.0/8"]
        [ban]
        networks = ["198.51.100.0/24"]
        "#,
    );
    let backend = |relay: &str| get("/").from("10.0.0.1").xff(relay);
    assert_eq!(server.verdict(backend("198.51.100.7")), "403 ban/list");
    assert_eq!(server.verdict(backend("198.51.100.7, 203.0.113.9")), "200");
}
