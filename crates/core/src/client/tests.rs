use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

const TRUSTED: [&str; 3] = ["10.0.0.0/8", "172.31.0.0/16", "fd00::/8"];

fn rules(header: ForwardedBy) -> ClientRules {
    ClientRules::default()
        .with_trusted(TRUSTED.map(|net| net.parse().unwrap()))
        .unwrap()
        .with_header(header)
}

#[track_caller]
fn resolve(header: ForwardedBy, peer: &str, lines: &[&str]) -> String {
    let name = match header {
        ForwardedBy::XForwardedFor => "x-forwarded-for",
        ForwardedBy::Forwarded => "forwarded",
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        let value = HeaderValue::from_str(line).unwrap();
        headers.append(HeaderName::from_static(name), value);
    }
    let peer = PeerAddr::new(SocketAddr::new(peer.parse().unwrap(), 4000));
    rules(header).resolve(peer, &headers).addr().to_string()
}

#[test]
fn x_forwarded_for_is_walked_from_the_right() {
    for (peer, lines, client) in [
        ("198.51.100.1", &[][..], "198.51.100.1"),
        ("198.51.100.1", &["203.0.113.9"], "198.51.100.1"),
        ("10.0.0.1", &[], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
        (
            "10.0.0.1",
            &["6.6.6.6, 203.0.113.9, 172.31.4.4"],
            "203.0.113.9",
        ),
        (
            "10.0.0.1",
            &["6.6.6.6", "203.0.113.9", "172.31.4.4"],
            "203.0.113.9",
        ),
        ("10.0.0.1", &["203.0.113.9:8080"], "203.0.113.9"),
        ("10.0.0.1", &["[2001:db8::7]:8080"], "2001:db8::7"),
        ("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
        ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
        ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
        ("fd00::1", &["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["6.6.6.6, what, 172.31.4.4"], "172.31.4.4"),
        ("10.0.0.1", &["6.6.6.6, unknown"], "10.0.0.1"),
        ("10.0.0.1", &["6.6.6.6,"], "10.0.0.1"),
        ("10.0.0.1", &["10.0.0.9, 172.31.4.4"], "10.0.0.9"),
    ] {
        assert_eq!(
            resolve(ForwardedBy::XForwardedFor, peer, lines),
            client,
            "{peer} {lines:?}"
        );
    }
}

#[test]
fn forwarded_is_walked_from_the_right() {
    for (lines, client) in [
        (&["for=203.0.113.9"][..], "203.0.113.9"),
        (&["For=203.0.113.9;proto=https;by=10.0.0.1"], "203.0.113.9"),
        (&["proto=https; for=203.0.113.9"], "203.0.113.9"),
        (
            &["for=6.6.6.6, for=\"[2001:db8::7]:80\", for=172.31.4.4"],
            "2001:db8::7",
        ),
        (&["for=6.6.6.6", "for=203.0.113.9"], "203.0.113.9"),
        (&["for=\", for=203.0.113.9"], "203.0.113.9"),
        (&["for=_hidden"], "10.0.0.1"),
        (&["for=unknown"], "10.0.0.1"),
        (&["by=6.6.6.6"], "10.0.0.1"),
    ] {
        assert_eq!(
            resolve(ForwardedBy::Forwarded, "10.0.0.1", lines),
            client,
            "{lines:?}"
        );
    }
}

#[test]
fn long_chain_ends_the_walk() {
    let chain = format!("203.0.113.9{}", ", 10.1.1.1".repeat(ClientRules::MAX_HOPS));
    assert_eq!(
        resolve(ForwardedBy::XForwardedFor, "10.0.0.1", &[&chain]),
        "10.1.1.1"
    );
}

#[test]
fn whole_address_space_is_never_trusted() {
    for net in ["0.0.0.0/0", "::/0"] {
        let error = ClientRules::default()
            .with_trusted([net.parse().unwrap()])
            .unwrap_err();
        assert!(error.to_string().starts_with(net), "{error}");
    }
}

#[test]
fn who_is_never_banned() {
    let rules = rules(ForwardedBy::XForwardedFor);
    for addr in [
        "127.0.0.1",
        "::1",
        "10.3.3.3",
        "192.168.1.1",
        "169.254.1.1",
        "100.64.0.1",
        "fe80::1",
        "0.0.0.0",
    ] {
        assert!(rules.exempts(addr.parse().unwrap()).is_some(), "{addr}");
    }
    for addr in ["203.0.113.9", "2001:db8::1", "100.128.0.1"] {
        assert_eq!(rules.exempts(addr.parse().unwrap()), None, "{addr}");
    }
    let intranet = rules.with_private_clients(true);
    assert_eq!(intranet.exempts("192.168.1.1".parse().unwrap()), None);
    assert!(
        intranet.exempts("10.3.3.3".parse().unwrap()).is_some(),
        "a trusted proxy, though private"
    );
}

#[test]
fn ipv6_client_is_its_network() {
    let headers = HeaderMap::new();
    let peer = PeerAddr::new("[2001:db8:1:2:3::4]:1".parse().unwrap());
    let network = |bits| {
        ClientRules::default()
            .with_ipv6_prefix(bits)
            .resolve(peer, &headers)
            .network()
            .to_string()
    };
    assert_eq!(network(64), "2001:db8:1:2::/64");
    assert_eq!(network(56), "2001:db8:1::/56");
    assert_eq!(network(128), "2001:db8:1:2:3::4/128");
}

#[test]
fn inside_address_from_a_header_is_never_allowed() {
    let rules = rules(ForwardedBy::XForwardedFor);
    let may = |peer: &str, hop: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static(hop));
        let peer = PeerAddr::new(SocketAddr::new(peer.parse().unwrap(), 4000));
        rules.resolve(peer, &headers).may_be_allowed()
    };
    assert!(may("127.0.0.1", "203.0.113.9"), "the peer itself");
    assert!(may("10.0.0.1", "203.0.113.9"));
    assert!(!may("10.0.0.1", "127.0.0.1"));
    assert!(!may("10.0.0.1", "192.168.0.1"));
    assert!(!may("10.0.0.1", "::1"));
}
