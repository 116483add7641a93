//! A ban requires evidence. A page can make its visitors request any URL: such a request is denied
//! at once and does not ban by itself.

use gabion_testkit::TestRequest;
use std::time::Duration;

use gabion::event::BanChange;

use crate::support::in_process::{InProcess, banned, get, guarded};

const POLICY: &str = r#"
    version = 1
    [[deny]]
    id = "dotfiles"
    names = [".env", ".git", ".aws"]
    then = "ban 10m"
"#;

/// A browser's request for one of many paths whose rule bans.
fn probe(number: usize) -> TestRequest {
    get(&format!("/{number}/.env"))
}

#[track_caller]
fn assert_denied_only(server: &InProcess, request: TestRequest) -> Vec<BanChange> {
    let answer = server.send(request);
    assert_eq!(answer.verdict(), "403 dotfiles");
    answer.bans()
}

#[track_caller]
fn assert_never_banned(server: &InProcess, modify: impl Fn(TestRequest) -> TestRequest) {
    for number in 0..50 {
        let changes = assert_denied_only(server, modify(probe(number)));
        assert!(
            matches!(changes[..], [BanChange::Withheld(_)]),
            "{changes:?}"
        );
    }
    assert_eq!(server.verdict("/"), "200");
    assert!(banned(server).is_empty());
}

#[test]
fn repeated_path_bans_at_the_seventeenth_request() {
    let server = guarded(POLICY);
    for number in 0..16 {
        let paths = if number < 8 { 1 } else { 2 };
        assert_eq!(
            assert_denied_only(&server, probe(0)),
            [BanChange::Suspected { paths, needed: 3 }]
        );
        assert_eq!(server.verdict(get("/").method("POST")), "200");
    }
    assert_eq!(assert_denied_only(&server, probe(0)), [BanChange::Placed]);
    assert_eq!(server.verdict("/"), "403 ban/timed");
}

#[test]
fn three_different_paths_ban() {
    let server = guarded(POLICY);
    for paths in [1, 2] {
        let changes = assert_denied_only(&server, probe(paths as usize));
        assert_eq!(changes, [BanChange::Suspected { paths, needed: 3 }]);
    }
    assert_eq!(assert_denied_only(&server, probe(3)), [BanChange::Placed]);
    assert_eq!(server.verdict("/"), "403 ban/timed");
    assert_eq!(server.verdict(get("/").from("203.0.113.10")), "200");
}

#[test]
fn suspicion_expires() {
    let server = guarded(POLICY);
    for number in 0..20 {
        let changes = assert_denied_only(&server, probe(number));
        assert_eq!(
            changes,
            [BanChange::Suspected {
                paths: 1,
                needed: 3
            }]
        );
        server.clock.advance(Duration::from_secs(601));
    }
}

#[test]
fn suspicion_is_counted_per_client() {
    let server = guarded(POLICY);
    for number in 0..50 {
        let client = format!("198.51.100.{number}");
        assert_denied_only(&server, probe(number).from(&client));
    }
    assert!(banned(&server).is_empty());
}

#[test]
fn request_that_no_page_can_cause_bans_at_once() {
    let requests: [(&str, TestRequest); 6] = [
        ("method", get("/.env").method("PUT")),
        ("method of file uploads", get("/.env").method("DELETE")),
        ("dots", get("/x/../.env")),
        ("escaped dots", get("/x/%2e%2E/.env")),
        ("backslash", get("/x\\.env")),
        (
            "upgrade",
            get("/.env")
                .header("connection", "upgrade")
                .header("upgrade", "h2c"),
        ),
    ];
    for (what, request) in requests {
        let server = guarded(POLICY);
        assert_eq!(server.send(request).bans(), [BanChange::Placed], "{what}");
        assert_eq!(server.verdict("/"), "403 ban/timed", "{what}");
    }
}

#[test]
fn bytes_that_a_proxy_may_have_decoded_do_not_ban_at_once() {
    let policy = format!("{POLICY}\n[client]\ntrusted_proxies = ['10.0.0.0/8']\n");
    for target in ["/x{/.env", "/x\\.env", "/x/../.env", "/x/%2e%2e/.env"] {
        let server = guarded(&policy);
        let request = get(target).from("10.0.0.7").xff("203.0.113.9");
        let suspected = BanChange::Suspected {
            paths: 1,
            needed: 3,
        };
        assert_eq!(server.send(request).bans(), [suspected], "{target}");
        assert_eq!(server.verdict("/"), "200", "{target}");
    }
}

#[test]
fn request_from_a_page_of_another_origin_does_not_ban() {
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("referer", "https://evil.example/page"),
        ("referer", "https://localhost.evil.example/localhost"),
    ] {
        let server = guarded(POLICY);
        assert_never_banned(&server, |request| request.header(name, value));
    }
}

#[test]
fn request_from_the_own_page_or_from_none_is_suspicious() {
    for (name, value) in [
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
        ("origin", "http://localhost"),
        ("referer", "https://localhost/page?of=evil.example"),
    ] {
        let server = guarded(POLICY);
        for number in 0..3 {
            server.send(probe(number).header(name, value));
        }
        assert_eq!(server.verdict("/"), "403 ban/timed", "{name}: {value}");
    }
}

#[test]
fn report_of_the_browser_precedes_method_and_path() {
    type Modify = fn(TestRequest) -> TestRequest;
    let requests: [(&str, Modify); 6] = [
        ("prefetch", |request| {
            request
                .header("sec-fetch-site", "none")
                .header("sec-purpose", "prefetch")
        }),
        ("prerender", |request| {
            request
                .header("sec-fetch-site", "none")
                .header("sec-purpose", "prefetch;prerender")
        }),
        ("a request that a preflight admitted", |request| {
            request.method("PUT").header("sec-fetch-site", "cross-site")
        }),
        ("PUT from a connection without TLS", |request| {
            request
                .method("PUT")
                .header("origin", "http://evil.example")
        }),
        ("preflight", |request| {
            request
                .method("OPTIONS")
                .header("access-control-request-method", "PUT")
                .header("sec-fetch-site", "cross-site")
        }),
        ("preflight of a browser that reports no site", |request| {
            request
                .method("OPTIONS")
                .header("access-control-request-method", "PUT")
        }),
    ];
    for (what, modify) in requests {
        println!("{what}");
        assert_never_banned(&guarded(POLICY), modify);
    }
}

#[test]
fn client_in_good_standing_is_denied_only() {
    let server = guarded(POLICY);
    for page in 0..20 {
        assert_eq!(server.verdict(&*format!("/page{page}")), "200");
    }
    assert_never_banned(&server, |request| request);
    for number in 0..3 {
        server.send(probe(number).from("203.0.113.10"));
    }
    assert_eq!(banned(&server), ["203.0.113.10/32"], "it is not another's");

    server.send(probe(0).method("DELETE"));
    assert_eq!(
        server.verdict("/"),
        "403 ban/timed",
        "and no excuse for proof"
    );
}

#[test]
fn good_standing_counts_served_responses_and_fades() {
    let server = guarded(POLICY);
    for _ in 0..30 {
        assert_eq!(server.verdict("/missing"), "404");
    }
    assert_eq!(
        assert_denied_only(&server, probe(0)),
        [BanChange::Suspected {
            paths: 1,
            needed: 3
        }]
    );
    for _ in 0..15 {
        server.send("/");
    }
    let one_page = assert_denied_only(&server, probe(3));
    assert!(matches!(
        one_page[..],
        [BanChange::Suspected { paths: 2, .. }]
    ));
    for page in 0..20 {
        server.send(&*format!("/page{page}"));
    }
    let changes = assert_denied_only(&server, probe(1));
    assert!(
        matches!(changes[..], [BanChange::Withheld(_)]),
        "{changes:?}"
    );
    server.clock.advance(Duration::from_hours(4));
    assert_eq!(
        assert_denied_only(&server, probe(2)),
        [BanChange::Suspected {
            paths: 1,
            needed: 3
        }]
    );
}
