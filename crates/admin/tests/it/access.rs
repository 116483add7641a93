//! Who may call the API.

use gabion_admin::{ListenError, TcpListener, Token};

use crate::support::Served;

const HOST: &str = "Host: 127.0.0.1\r\n";

#[test]
fn caller_over_tcp_needs_the_token() {
    let served = Served::start();
    let right = served.bearer();
    assert_eq!(
        served
            .tcp("GET /v1/status", &format!("{HOST}{right}"), "")
            .0,
        200
    );
    let other = Token::generate().unwrap();
    for wrong in [
        String::new(),
        format!("Authorization: Bearer {other}\r\n"),
        "Authorization: Bearer \r\n".to_owned(),
        right.replace("Bearer", "Basic"),
        right.replace("\r\n", "0\r\n"),
    ] {
        let (status, body) = served.tcp("GET /v1/status", &format!("{HOST}{wrong}"), "");
        assert_eq!(status, 401, "{wrong}");
        assert!(
            !body["error"]
                .as_str()
                .unwrap()
                .contains(&served.token[..16])
        );
    }
    let refused = served.events.take_texts();
    assert_eq!(refused.len(), 5, "{refused:?}");
    assert_eq!(refused[1], "operator (127.0.0.1): refused: wrong token");
    let body = r#"{"address": "203.0.113.9", "for": "1h"}"#;
    let headers = format!("{HOST}{right}Content-Type: application/json\r\n");
    assert_eq!(served.tcp("POST /v1/bans", &headers, body).0, 200);
    let events = served.events.take_texts();
    assert!(
        events[1].starts_with("operator (token from 127.0.0.1): ban 203.0.113.9/32"),
        "{events:?}"
    );
}

#[test]
fn names_of_other_sites_are_refused_against_dns_rebinding() {
    let served = Served::start();
    let bearer = served.bearer();
    for (host, expected) in [
        ("127.0.0.1", 200),
        ("[::1]:9443", 200),
        ("localhost:1", 200),
        ("GUARD.example", 200),
        ("evil.example", 421),
        ("guard.example.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
        ("127.0.0.1\r\nHost: evil.example", 400),
    ] {
        let headers = format!("Host: {host}\r\n{bearer}");
        let (status, _) = served.tcp("GET /v1/status", &headers, "");
        // hyper may refuse two of them itself.
        let is_expected = status == expected || (expected == 400 && status == 421);
        assert!(is_expected, "{host}: {status}");
    }
    let headers = format!("Host: localhost\r\n{bearer}");
    let absolute = "GET http://evil.example/v1/status";
    assert_eq!(served.tcp(absolute, &headers, "").0, 421);
}

#[test]
fn web_pages_are_refused() {
    let served = Served::start();
    let bearer = served.bearer();
    for (header, expected) in [
        ("", 200),
        ("Sec-Fetch-Site: none\r\n", 200),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Sec-Fetch-Site: same-site\r\n", 403),
        ("Origin: https://evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
    ] {
        let headers = format!("{HOST}{bearer}{header}");
        assert_eq!(
            served.tcp("GET /v1/status", &headers, "").0,
            expected,
            "{header}"
        );
        assert_eq!(
            served.unix("GET /v1/status", header, "").0,
            expected,
            "{header}"
        );
    }
}

#[test]
fn eleventh_failure_within_a_minute_gets_429_and_events_are_bounded() {
    let served = Served::start();
    let right = format!("{HOST}{}", served.bearer());
    let attempt = || served.tcp("GET /v1/status", HOST, "").0;
    let statuses: Vec<_> = (0..60).map(|_| attempt()).collect();
    assert!(
        statuses[..10].iter().all(|status| *status == 401),
        "{statuses:?}"
    );
    assert!(
        statuses[10..].iter().all(|status| *status == 429),
        "{statuses:?}"
    );
    assert_eq!(
        served.tcp("GET /v1/status", &right, "").0,
        429,
        "also with the token"
    );
    assert_eq!(served.events.take().len(), 30);
    assert_eq!(
        served.get("/v1/status").0,
        200,
        "the Unix socket is not limited"
    );
}

#[test]
fn request_through_a_proxy_does_not_reach_the_unix_socket() {
    let served = Served::start();
    for header in [
        "X-Forwarded-For: 203.0.113.9",
        "Forwarded: for=_a",
        "Via: 1.1 a",
    ] {
        let (status, body) = served.unix("GET /v1/status", &format!("{header}\r\n"), "");
        assert_eq!(status, 403, "{header}: {body}");
    }
}

#[test]
fn health_checks_need_no_token() {
    let served = Served::start();
    assert_eq!(served.tcp("GET /livez", HOST, "").0, 200);
    assert_eq!(served.tcp("GET /readyz", HOST, "").0, 200);
    let draining = Served::start_with(|admin| admin.with_readiness(|| false));
    assert_eq!(draining.tcp("GET /livez", HOST, "").0, 200);
    assert_eq!(draining.tcp("GET /readyz", HOST, "").0, 503);
}

#[test]
fn address_that_other_machines_reach_needs_tls() {
    let token: Token = Token::generate().unwrap().parse().unwrap();
    for addr in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let bound = TcpListener::bind(addr.parse().unwrap(), token.clone(), None);
        assert!(matches!(bound, Err(ListenError::NeedsTls { .. })), "{addr}");
    }
}
