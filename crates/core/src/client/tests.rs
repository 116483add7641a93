use std::num::NonZeroU8;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

const TRUSTED: [&str; 3] = ["10.0.0.0/8", "172.31.0.0/16", "fd00::/8"];

fn rules(header: ForwardedHeader) -> ClientRules {
    ClientRules::default()
        .with_trusted(TRUSTED.map(|net| net.parse().unwrap()))
        .unwrap()
        .with_header(header)
}

#[track_caller]
fn resolve(header: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
    let name = header.name();
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
        ("10.0.0.1", &["6.6.6.6, invalid, 172.31.4.4"], "172.31.4.4"),
        ("10.0.0.1", &["6.6.6.6, unknown"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9,"], "203.0.113.9"),
        ("10.0.0.1", &["6.6.6.6, 203.0.113.9, ,"], "203.0.113.9"),
        ("10.0.0.1", &["203.0.113.9,,172.31.4.4"], "203.0.113.9"),
        ("10.0.0.1", &["203.0.113.9", ""], "203.0.113.9"),
        ("10.0.0.1", &["203.0.113.9", " , "], "203.0.113.9"),
        ("10.0.0.1", &["10.0.0.9, 172.31.4.4"], "10.0.0.9"),
    ] {
        assert_eq!(
            resolve(ForwardedHeader::XForwardedFor, peer, lines),
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
        (&["for=203.0.113.9, ,"], "203.0.113.9"),
        (&["for=203.0.113.9", ""], "203.0.113.9"),
        (&["for=\", for=203.0.113.9"], "203.0.113.9"),
        (
            &[r#"for=6.6.6.6, for=203.0.113.9;host="a\"b""#],
            "203.0.113.9",
        ),
        (
            &[r#"for=6.6.6.6, for=203.0.113.9;host="a\\""#],
            "203.0.113.9",
        ),
        (
            &[r#"proto=http;host="a;for=9.9.9.9;b";for=203.0.113.5"#],
            "203.0.113.5",
        ),
        (
            &[r#"host="a\";for=9.9.9.9;b=\"";for=203.0.113.5"#],
            "203.0.113.5",
        ),
        (&[r#"host="a\\";for=203.0.113.5"#], "203.0.113.5"),
        (&[r#"for="203\.0.113\.\5""#], "203.0.113.5"),
        (&[r#"for="\[2001:db8::7\]:80""#], "2001:db8::7"),
        (&["for=\"203.0.113.5:_a-1\""], "203.0.113.5"),
        (&["for=\"[2001:db8::7]:_b\""], "2001:db8::7"),
        (&["for=\"203.0.113.5:_\""], "10.0.0.1"),
        (&["for=\"203.0.113.5:_a b\""], "10.0.0.1"),
        (&["; for=203.0.113.5 ;;by=10.0.0.1;"], "203.0.113.5"),
        (&[r#"for=203.0.113.5;secret="""#], "203.0.113.5"),
        // Malformed: a proxy wrote the host without quotes or without escapes.
        (&["host=a;for=9.9.9.9;for=203.0.113.5"], "10.0.0.1"),
        (
            &[r#"host="a";for=9.9.9.9;b="";for=203.0.113.5"#],
            "10.0.0.1",
        ),
        (
            &[r#"for=9.9.9.9;x="a, for=203.0.113.5;host="b"#],
            "10.0.0.1",
        ),
        (&[r#"for=203.0.113.5;host="b"#], "10.0.0.1"),
        (&[r#"for=203.0.113.5;host=a"b"c"#], "10.0.0.1"),
        (&[r#"for=203.0.113.5;host="b"c"#], "10.0.0.1"),
        (&[r#"host="b"for=203.0.113.5"#], "10.0.0.1"),
        (&[r#"for="\"203.0.113.5\"""#], "10.0.0.1"),
        (&["for=_hidden"], "10.0.0.1"),
        (&["for=unknown"], "10.0.0.1"),
        (&["by=6.6.6.6"], "10.0.0.1"),
    ] {
        assert_eq!(
            resolve(ForwardedHeader::Forwarded, "10.0.0.1", lines),
            client,
            "{lines:?}"
        );
    }
}

#[test]
fn single_address_header_is_read_if_it_is_not_repeated() {
    use ForwardedHeader::{CfConnectingIp, CloudFrontViewerAddress, TrueClientIp, XRealIp};
    for (header, lines, client) in [
        (CfConnectingIp, &["203.0.113.9"][..], "203.0.113.9"),
        (TrueClientIp, &[" 2001:db8::7 "], "2001:db8::7"),
        (XRealIp, &["203.0.113.9:80"], "203.0.113.9"),
        (
            CloudFrontViewerAddress,
            &["203.0.113.9:46532"],
            "203.0.113.9",
        ),
        (
            CloudFrontViewerAddress,
            &["2001:db8::7:46532"],
            "2001:db8::7",
        ),
        (
            CloudFrontViewerAddress,
            &["[2001:db8::7]:46532"],
            "2001:db8::7",
        ),
        (CloudFrontViewerAddress, &["203.0.113.9"], "10.0.0.1"),
        (CloudFrontViewerAddress, &["203.0.113.9:1:2"], "10.0.0.1"),
        (XRealIp, &["6.6.6.6", "203.0.113.9"], "10.0.0.1"),
        (XRealIp, &["6.6.6.6, 203.0.113.9"], "10.0.0.1"),
        (XRealIp, &["unknown"], "10.0.0.1"),
        (XRealIp, &[], "10.0.0.1"),
    ] {
        assert_eq!(
            resolve(header, "10.0.0.1", lines),
            client,
            "{header:?} {lines:?}"
        );
        assert_eq!(resolve(header, "198.51.100.1", lines), "198.51.100.1");
    }
}

#[test]
fn client_that_its_proxy_does_not_name_is_limited_and_not_banned() {
    use ForwardedHeader::{Forwarded, XForwardedFor, XRealIp};
    let long = format!("203.0.113.9{}", ", 10.1.1.1".repeat(ClientRules::MAX_HOPS));
    let resolve = |rules: ClientRules, lines: &[&str]| {
        let name = HeaderName::from_static(rules.header().name());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, line.parse().unwrap());
        }
        rules.resolve(PeerAddr::new(([10, 0, 0, 1], 4000).into()), &headers)
    };
    let counted = rules(XForwardedFor).with_hops(NonZeroU8::new(2).unwrap());
    for (rules, lines, addr) in [
        (rules(XForwardedFor), &["unknown"][..], "10.0.0.1"),
        (rules(XForwardedFor), &["6.6.6.6, unknown"], "10.0.0.1"),
        (rules(XForwardedFor), &["unknown, 172.31.4.4"], "172.31.4.4"),
        (rules(XForwardedFor), &[&long], "10.1.1.1"),
        (rules(XForwardedFor), &[""], "10.0.0.1"),
        (rules(XForwardedFor), &[" , ,", ","], "10.0.0.1"),
        (counted, &["x, 198.51.100.2"], "198.51.100.2"),
        (rules(Forwarded), &["for=unknown"], "10.0.0.1"),
        (rules(Forwarded), &["for=_hidden, for=10.0.0.2"], "10.0.0.2"),
        (rules(Forwarded), &["proto=https"], "10.0.0.1"),
        (rules(XRealIp), &["unknown"], "10.0.0.1"),
        (rules(XRealIp), &[""], "10.0.0.1"),
        (rules(XRealIp), &["6.6.6.6", "203.0.113.9"], "10.0.0.1"),
    ] {
        let client = resolve(rules, lines);
        assert_eq!(client.addr().to_string(), addr, "{lines:?}");
        assert!(client.is_unknown() && client.is_forwarded(), "{lines:?}");
        assert!(client.via_trusted() && !client.is_unclear(), "{lines:?}");
        assert!(!client.may_be_allowed(), "{lines:?}");
        assert_eq!(client.exempt(), None, "{lines:?}");
        assert!(client.exempt_from_bans().is_some(), "{lines:?}");
    }
    for lines in [&[][..], &["10.0.0.2"], &["203.0.113.9"]] {
        let client = resolve(rules(XForwardedFor), lines);
        assert!(!client.is_unknown() && client.may_be_allowed() || lines == ["10.0.0.2"]);
        assert_eq!(client.exempt(), client.exempt_from_bans(), "{lines:?}");
        assert_eq!(client.exempt().is_some(), lines != ["203.0.113.9"]);
        assert_eq!(client.is_forwarded(), !lines.is_empty());
    }
}

#[test]
fn hops_are_counted_from_the_right_whether_trusted_or_not() {
    let client = |hops: u8, line: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static(line));
        let rules = rules(ForwardedHeader::XForwardedFor).with_hops(hops.try_into().unwrap());
        let peer = PeerAddr::new(([10, 0, 0, 1], 4000).into());
        rules.resolve(peer, &headers).addr().to_string()
    };
    let line = "6.6.6.6, 203.0.113.9, 198.51.100.2";
    assert_eq!(client(1, line), "198.51.100.2");
    assert_eq!(client(2, line), "203.0.113.9");
    assert_eq!(client(9, line), "6.6.6.6");
    let line = "6.6.6.6, ,203.0.113.9,, 198.51.100.2, ,";
    assert_eq!(client(1, line), "198.51.100.2");
    assert_eq!(client(2, line), "203.0.113.9");
    assert_eq!(client(2, "6.6.6.6, invalid, 198.51.100.2"), "198.51.100.2");
    assert_eq!(client(1, "invalid"), "10.0.0.1");
}

#[test]
fn untrusted_private_peer_with_forwarding_headers_is_unclear_and_not_banned() {
    let resolve = |private: bool, peer: &str, header: Option<&'static str>| {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(header, HeaderValue::from_static("203.0.113.9"));
        }
        let rules = rules(ForwardedHeader::XForwardedFor).with_private_clients(private);
        let peer = PeerAddr::new(SocketAddr::new(peer.parse().unwrap(), 4000));
        rules.resolve(peer, &headers)
    };
    for private in [false, true] {
        for (peer, header, is_unclear) in [
            ("192.168.0.9", Some("x-forwarded-for"), true),
            ("192.168.0.9", Some("x-real-ip"), true),
            ("127.0.0.1", Some("x-real-ip"), true),
            ("192.168.0.9", None, false),
            // A trusted proxy.
            ("10.0.0.1", Some("x-forwarded-for"), false),
            // Anyone may write the header.
            ("198.51.100.1", Some("x-forwarded-for"), false),
        ] {
            let client = resolve(private, peer, header);
            assert_eq!(client.is_unclear(), is_unclear, "{peer} {header:?}");
            if is_unclear {
                let without_header = resolve(private, peer, None);
                assert_eq!(
                    client.exempt().is_some(),
                    without_header.exempt().is_some(),
                    "{peer}: the header changes no limit"
                );
                assert!(client.exempt_from_bans().is_some(), "{peer}");
            }
        }
        let peer = resolve(private, "192.168.0.9", Some("forwarded"));
        assert_eq!(peer.exempt().is_some(), !private, "limited as any client");
    }
}

#[test]
fn long_chain_ends_the_walk() {
    let chain = format!("203.0.113.9{}", ", 10.1.1.1".repeat(ClientRules::MAX_HOPS));
    assert_eq!(
        resolve(ForwardedHeader::XForwardedFor, "10.0.0.1", &[&chain]),
        "10.1.1.1"
    );
}

#[test]
fn whole_address_space_is_never_trusted() {
    for net in ["0.0.0.0/0", "::/0"] {
        let error = ClientRules::default()
            .with_trusted([net.parse().unwrap()])
            .unwrap_err();
        assert!(error.to_string().contains(net), "{error}");
    }
}

#[test]
fn proxies_and_private_addresses_are_never_banned() {
    let rules = rules(ForwardedHeader::XForwardedFor);
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

/// The client of a peer, or of the only entry in the header of a trusted one.
fn clients_of(rules: &ClientRules, addr: &str) -> [ClientIp; 2] {
    let peer = |addr: &str| PeerAddr::new(SocketAddr::new(addr.parse().unwrap(), 4000));
    let mut headers = HeaderMap::new();
    let direct = rules.resolve(peer(addr), &headers);
    headers.insert("x-forwarded-for", addr.parse().unwrap());
    [direct, rules.resolve(peer("10.0.0.1"), &headers)]
}

#[test]
fn client_with_a_converted_address_is_its_ipv4_address() {
    let rules = rules(ForwardedHeader::XForwardedFor);
    let [native, _] = clients_of(&rules, "203.0.113.9");
    for addr in [
        "64:ff9b::203.0.113.9",
        "::203.0.113.9",
        "2002:cb00:7109::1",
        "2002:cb00:7109:7:1:2:3:4",
        "2001:0:c000:201:8000:f227:34ff:8ef6",
    ] {
        for client in clients_of(&rules, addr) {
            assert_eq!(client.addr(), native.addr(), "{addr}");
            assert_eq!(client.network().to_string(), "203.0.113.9/32", "{addr}");
            assert_eq!(client.key(), native.key(), "{addr}");
            assert_eq!((client.exempt(), client.exempt_from_bans()), (None, None));
            assert!(!client.may_be_allowed(), "{addr}");
        }
    }
}

#[test]
fn converted_address_is_never_that_of_a_proxy_or_private_host() {
    let trusted = ["10.0.0.0/8", "192.0.2.0/24"].map(|net| net.parse().unwrap());
    let rules = ClientRules::default().with_trusted(trusted).unwrap();
    for (addr, network) in [
        ("64:ff9b::127.0.0.1", "64:ff9b::7f00:1/128"),
        ("64:ff9b::10.0.0.1", "64:ff9b::a00:1/128"),
        ("64:ff9b::192.168.0.1", "64:ff9b::c0a8:1/128"),
        ("64:ff9b::192.0.2.1", "64:ff9b::c000:201/128"),
        ("64:ff9b::0.0.0.0", "64:ff9b::/128"),
        ("64:ff9b::255.255.255.255", "64:ff9b::ffff:ffff/128"),
        ("64:ff9b::224.0.0.1", "64:ff9b::e000:1/128"),
        ("::127.0.0.1", "::7f00:1/128"),
        ("::2", "::2/128"),
        ("2002:a00:1::1", "2002:a00:1::/64"),
        ("2002:7f00:1:2::1", "2002:7f00:1:2::/64"),
        ("2002:c000:201::1", "2002:c000:201::/64"),
        ("2001:0:1:2:3:4:f5ff:fffe", "2001:0:1:2:3:4:f5ff:fffe/128"),
    ] {
        for client in clients_of(&rules, addr) {
            assert_eq!(client.network().to_string(), network, "{addr}");
            assert_eq!((client.exempt(), client.exempt_from_bans()), (None, None));
            assert_eq!(client.addr(), addr.parse::<IpAddr>().unwrap());
        }
        let [direct, _] = clients_of(&rules, addr);
        assert!(!direct.via_trusted(), "{addr}");
    }
    for addr in ["::1", "::"] {
        let [direct, _] = clients_of(&rules, addr);
        assert_eq!(direct.exempt(), Some("the client is this host"), "{addr}");
    }
    for addr in ["64:ff9b:1::203.0.113.9", "2001:db8::203.0.113.9"] {
        let [direct, _] = clients_of(&rules, addr);
        assert!(direct.addr().is_ipv6() && direct.may_be_allowed(), "{addr}");
    }
    // A proxy whose own address is converted is trusted if its IPv6 network is.
    let nat64 = ClientRules::default().with_trusted(["64:ff9b::/96".parse().unwrap()]);
    let nat64 = nat64.unwrap();
    let [proxy, _] = clients_of(&nat64, "64:ff9b::203.0.113.9");
    assert!(proxy.via_trusted() && proxy.exempt().is_some());
    assert!(proxy.addr().is_ipv6(), "{proxy}");
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-for", HeaderValue::from_static("unknown"));
    let unknown = nat64.resolve(PeerAddr::new((proxy.addr(), 4000).into()), &headers);
    assert_eq!(unknown.network(), proxy.network());
}

#[test]
fn private_address_from_a_header_is_never_allowed() {
    let rules = rules(ForwardedHeader::XForwardedFor);
    let may_be_allowed = |peer: &str, hop: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static(hop));
        let peer = PeerAddr::new(SocketAddr::new(peer.parse().unwrap(), 4000));
        rules.resolve(peer, &headers).may_be_allowed()
    };
    assert!(
        may_be_allowed("127.0.0.1", "203.0.113.9"),
        "the peer itself"
    );
    assert!(may_be_allowed("10.0.0.1", "203.0.113.9"));
    assert!(!may_be_allowed("10.0.0.1", "127.0.0.1"));
    assert!(!may_be_allowed("10.0.0.1", "192.168.0.1"));
    assert!(!may_be_allowed("10.0.0.1", "::1"));
}

#[test]
fn network_is_protected_if_any_address_is() {
    let rules = rules(ForwardedHeader::XForwardedFor);
    let found = |rules: &ClientRules, network: &str| rules.protects(network.parse().unwrap());
    for (network, expected) in [
        ("10.0.0.0/7", Some(Protected::TrustedProxy)),
        ("127.0.0.1/32", Some(Protected::ThisHost)),
        ("0.0.0.0/2", Some(Protected::TrustedProxy)),
        ("126.0.0.0/7", Some(Protected::ThisHost)),
        ("::/64", Some(Protected::ThisHost)),
        ("192.168.7.7/32", Some(Protected::Private)),
        ("192.0.0.0/8", Some(Protected::Private)),
        ("172.30.255.255/32", Some(Protected::Private)),
        ("169.254.0.0/16", Some(Protected::Private)),
        ("100.127.255.0/24", Some(Protected::Private)),
        ("fc00::/16", Some(Protected::Private)),
        ("febf::/16", Some(Protected::Private)),
        ("172.32.0.0/11", None),
        ("100.128.0.0/9", None),
        ("198.51.100.0/24", None),
        ("2001:db8::/32", None),
        ("fec0::/10", None),
    ] {
        assert_eq!(found(&rules, network), expected, "{network}");
    }
    let intranet = rules.with_private_clients(true);
    assert_eq!(found(&intranet, "192.168.0.0/16"), None);
    for network in ["10.0.0.0/24", "127.0.0.0/8"] {
        assert!(found(&intranet, network).is_some(), "{network}");
    }
}

#[test]
fn partly_public_network_is_not_inside() {
    let inside = |network: &str| ClientRules::is_inside(network.parse().unwrap());
    for network in ["10.0.0.0/8", "172.31.0.0/16", "127.0.0.1/32", "fd00::/8"] {
        assert!(inside(network), "{network}");
    }
    for network in [
        "10.0.0.0/7",
        "0.0.0.0/1",
        "172.0.0.0/8",
        "203.0.113.0/24",
        "::/1",
    ] {
        assert!(!inside(network), "{network}");
    }
}

#[test]
fn scheme_is_reported_by_the_hop_that_names_the_client() {
    let by_list = rules(ForwardedHeader::XForwardedFor);
    let by_element = rules(ForwardedHeader::Forwarded);
    let found = |rules: &ClientRules, lines: &[(&'static str, &'static str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        rules.scheme(&crate::HeaderIndex::new(&headers))
    };
    let (plain, secure) = (Some(Scheme::Plain), Some(Scheme::Secure));
    let (proto, client) = ("x-forwarded-proto", "x-forwarded-for");
    for (lines, scheme) in [
        (&[(proto, "https")][..], secure),
        (&[(proto, "WSS")], secure),
        (&[(proto, "http")], plain),
        (&[(proto, "")], None),
        (&[(proto, "gopher")], None),
        (&[("forwarded", "proto=https")], None),
        // The client wrote the first; the hop that saw it wrote the second.
        (&[(proto, "https, http"), (client, "203.0.113.9")], plain),
        (
            &[(proto, "https"), (proto, "http"), (client, "203.0.113.9")],
            plain,
        ),
        (
            &[
                (proto, "https, ,http,"),
                (client, "203.0.113.9,, 10.0.0.2,"),
            ],
            secure,
        ),
        (&[(proto, "https"), (proto, "")], secure),
        // One value for each of two trusted hops, and one value for both.
        (
            &[(proto, "https, http"), (client, "203.0.113.9, 10.0.0.2")],
            secure,
        ),
        (
            &[(proto, "https"), (client, "203.0.113.9, 10.0.0.2")],
            secure,
        ),
    ] {
        assert_eq!(found(&by_list, lines), scheme, "{lines:?}");
        let unlisted = by_list.clone().with_trusted_headers([]);
        assert_eq!(found(&unlisted, lines), None, "{lines:?}");
    }
    for (line, scheme) in [
        ("for=203.0.113.9;proto=https", secure),
        ("For=203.0.113.9; Proto=\"https\"", secure),
        (
            "for=203.0.113.9;proto=https, for=10.0.0.2;proto=http",
            secure,
        ),
        ("for=unknown;proto=https, for=10.0.0.2;proto=http", secure),
        ("proto=https;for=1.1.1.1, for=203.0.113.9;proto=http", plain),
        (
            r#"host="a;proto=https;b";proto=http;for=203.0.113.9"#,
            plain,
        ),
        (r#"for=203.0.113.9;proto="h\ttp\s""#, secure),
        ("for=203.0.113.9;host=a;proto=https;proto=http", None),
        ("for=203.0.113.9", None),
    ] {
        assert_eq!(found(&by_element, &[("forwarded", line)]), scheme, "{line}");
        assert_eq!(found(&by_element, &[(proto, "https")]), None);
    }
}

#[test]
fn untrusted_peer_cannot_set_the_scheme() {
    let rules = rules(ForwardedHeader::XForwardedFor);
    let (uri, mut headers) = (http::Uri::from_static("/"), HeaderMap::new());
    headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
    let scheme = |peer: &str, scheme| {
        let head = crate::Head {
            method: &http::Method::GET,
            uri: &uri,
            version: http::Version::HTTP_11,
            headers: &headers,
            protocol: None,
            framing: crate::Framing::AsShown,
            scheme,
        };
        let peer = PeerAddr::new(SocketAddr::new(peer.parse().unwrap(), 4000));
        let now = crate::Now::new(std::time::Duration::ZERO, std::time::UNIX_EPOCH);
        crate::Facts::resolve(head, peer, &rules, now).scheme
    };
    assert_eq!(scheme("10.0.0.1", Scheme::Plain), Scheme::Secure);
    assert_eq!(scheme("203.0.113.9", Scheme::Plain), Scheme::Plain);
    assert_eq!(scheme("203.0.113.9", Scheme::Secure), Scheme::Secure);
}
