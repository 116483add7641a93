use gabion_core::{ClientRules, Head, Now, PeerAddr};
use http::{HeaderMap, HeaderValue, Uri};

use super::*;

#[derive(Clone, Copy)]
struct Row {
    method: &'static str,
    target: &'static str,
    version: Version,
    hosts: &'static [&'static str],
    protocol: Option<&'static str>,
}

const GET: Row = Row {
    method: "GET",
    target: "/",
    version: Version::HTTP_11,
    hosts: &["a"],
    protocol: None,
};

#[track_caller]
fn check(row: Row, refused: Option<(&str, u16)>) {
    let method: Method = row.method.parse().unwrap();
    let uri: Uri = row.target.parse().unwrap();
    let mut headers = HeaderMap::new();
    for host in row.hosts {
        headers.append(HOST, HeaderValue::from_static(host));
    }
    let head = Head {
        method: &method,
        uri: &uri,
        version: row.version,
        headers: &headers,
        protocol: row.protocol,
        framing: gabion_core::Framing::AsShown,
    };
    let peer = PeerAddr::new(([203, 0, 113, 9], 4000).into());
    let now = Now::new(std::time::Duration::ZERO, std::time::UNIX_EPOCH);
    let facts = Facts::resolve(head, peer, &ClientRules::default(), now);
    let verdict = Sanity::default().inspect(&facts, &mut Trace::new(&facts));
    let got = match &verdict {
        Verdict::Deny(denial) => Some((denial.cause.rule.as_str(), denial.status.as_u16())),
        _ => None,
    };
    assert_eq!(got, refused, "{verdict}");
}

#[test]
fn tunnels() {
    let connect = |protocol| Row {
        method: "CONNECT",
        version: Version::HTTP_2,
        target: "http://a/ws",
        protocol,
        ..GET
    };
    check(
        Row {
            method: "CONNECT",
            target: "a:80",
            ..GET
        },
        Some(("connect/tunnel", 405)),
    );
    check(connect(None), Some(("connect/tunnel", 405)));
    check(
        connect(Some("connect-udp")),
        Some(("connect/protocol", 501)),
    );
    check(connect(Some("websocket")), None);
}

#[test]
fn hosts() {
    check(GET, None);
    check(Row { hosts: &[], ..GET }, Some(("host/missing", 400)));
    check(
        Row {
            hosts: &["a", "a"],
            ..GET
        },
        Some(("host/doubled", 400)),
    );
    check(
        Row {
            hosts: &[],
            version: Version::HTTP_10,
            ..GET
        },
        None,
    );
    check(
        Row {
            hosts: &[],
            target: "http://a/",
            ..GET
        },
        Some(("host/missing", 400)),
    );
    let h2 = Row {
        version: Version::HTTP_2,
        hosts: &[],
        ..GET
    };
    check(
        Row {
            target: "http://a/",
            ..h2
        },
        None,
    );
    check(
        Row {
            target: "/",
            version: Version::HTTP_2,
            hosts: &[],
            ..GET
        },
        Some(("host/missing", 400)),
    );
    check(
        Row {
            version: Version::HTTP_2,
            target: "http://a/",
            hosts: &["a", "b"],
            ..GET
        },
        Some(("host/doubled", 400)),
    );
}

#[test]
fn targets() {
    check(
        Row {
            target: "http://u@a/",
            ..GET
        },
        Some(("target/userinfo", 400)),
    );
    check(
        Row {
            target: "a:80",
            ..GET
        },
        Some(("path/form", 400)),
    );
    check(
        Row {
            target: "index.php",
            ..GET
        },
        Some(("path/form", 400)),
    );
    check(Row { target: "*", ..GET }, Some(("path/form", 400)));
    check(
        Row {
            target: "*",
            method: "OPTIONS",
            ..GET
        },
        None,
    );
    check(
        Row {
            target: "/%00",
            ..GET
        },
        Some(("path/nul", 400)),
    );
    check(
        Row {
            target: "/%zz",
            ..GET
        },
        Some(("path/escape", 400)),
    );
    check(
        Row {
            target: "/%0a",
            ..GET
        },
        Some(("path/escaped-control", 400)),
    );
    check(
        Row {
            target: "/%c0%ae",
            ..GET
        },
        Some(("path/utf8", 400)),
    );
    check(
        Row {
            target: "/../x",
            ..GET
        },
        Some(("path/above-root", 400)),
    );
    check(
        Row {
            target: "/a?b=%00",
            ..GET
        },
        None,
    );
    check(
        Row {
            target: "/%ED%95%9C",
            ..GET
        },
        None,
    );
}
