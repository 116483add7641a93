//! A page that makes its visitor's browser send every request that could look like a scan. The
//! visitor keeps access, whatever hops are in between; a scanner that sends the same is banned.

use std::time::Duration;

use gabion::event::BanChange;
use gabion_testkit::{TestRequest, peer, rows, unescape};
use http::{HeaderName, HeaderValue, Request, Uri, Version};

use crate::support::in_process::{InProcess, get, guarded};

/// The heads as Chromium sent them. See the comment in the file.
const PAGE: &str = include_str!("../../testdata/hostile_page.tsv");

const POLICY: &str = r#"
    version = 1
    [client]
    trusted_proxies = ["10.0.0.0/8"]
    [scan]
    [[deny]]
    id = "dotfiles"
    names = [".env"]
    then = "ban 1h"
"#;

const LIMIT: &str = r#"
    version = 1
    [client]
    trusted_proxies = ["10.0.0.0/8"]
    [[limit]]
    id = "all"
    rate = "5/m"
    then = "ban 10m"
    mode = "enforce"
"#;

const VISITOR: &str = "203.0.113.9";
const HOP: &str = "10.0.0.7";
const ROUNDS: usize = 3;

/// A request of the page, as it arrives after the hops.
struct Trick {
    hop: &'static str,
    name: &'static str,
    method: String,
    target: Vec<u8>,
    version: Version,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The requests of the page that arrive over `hop`.
fn tricks(hop: &str) -> Vec<Trick> {
    let all = rows(PAGE).into_iter();
    let tricks: Vec<_> = all
        .filter(|row| row[0] == hop)
        .map(|row| Trick::parse(row[0], row[1], row[2]))
        .collect();
    assert!(tricks.len() > 20, "{hop}");
    tricks
}

impl Trick {
    fn parse(hop: &'static str, name: &'static str, head: &str) -> Self {
        let mut lines = head.split("\\r\\n");
        let first = lines.next().unwrap();
        let (method, rest) = first.split_once(' ').unwrap();
        let (target, version) = rest.rsplit_once(' ').unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.parse().unwrap(), value.parse().unwrap())
        };
        Self {
            hop,
            name,
            method: method.to_owned(),
            target: unescape(target),
            version: if version == "HTTP/1.0" {
                Version::HTTP_10
            } else {
                Version::HTTP_11
            },
            headers: lines.map(header).collect(),
        }
    }

    /// The request line with a target of its own for each round, from the peer of this hop.
    fn request_line(&self, round: usize) -> Request<()> {
        let target = [format!("/{round}").as_bytes(), &self.target].concat();
        let addr = if self.hop == "direct" { VISITOR } else { HOP };
        Request::builder()
            .method(self.method.as_str())
            .uri(Uri::try_from(target).unwrap())
            .version(self.version)
            .extension(peer(addr))
            .body(())
            .unwrap()
    }

    /// The request as the browser of the visitor sends it.
    fn by_browser(&self, round: usize) -> TestRequest {
        let mut request = self.request_line(round);
        request.headers_mut().extend(self.headers.iter().cloned());
        TestRequest(request)
    }

    /// The same target and method from a tool.
    fn by_scanner(&self, round: usize) -> TestRequest {
        let request = TestRequest(self.request_line(round))
            .header("host", "site.example")
            .header("user-agent", "curl/8.5.0")
            .header("accept", "*/*");
        match self.hop {
            "direct" => request,
            _ => request.xff(VISITOR),
        }
    }
}

/// The verdict for the page that the visitor opens next.
fn home(server: &InProcess, hop: &str) -> String {
    match hop {
        "direct" => server.verdict(get("/").from(VISITOR)),
        _ => server.verdict(get("/").from(HOP).xff(VISITOR)),
    }
}

#[track_caller]
fn assert_visitor_keeps_access(hop: &str) {
    let server = guarded(POLICY);
    let tricks = tricks(hop);
    for round in 0..ROUNDS {
        for trick in &tricks {
            let response = server.send(trick.by_browser(round));
            let name = trick.name;
            assert_ne!(response.status, 200, "{name} over {hop}: a probe is denied");
            let placed = response.bans().contains(&BanChange::Placed);
            assert!(!placed, "{name} over {hop} bans in round {round}");
        }
        assert_eq!(home(&server, hop), "200", "over {hop} after round {round}");
    }
}

#[track_caller]
fn assert_scanner_is_banned(hop: &str) {
    let server = guarded(POLICY);
    for trick in tricks(hop).iter().take(ROUNDS) {
        server.send(trick.by_scanner(0));
    }
    assert_eq!(home(&server, hop), "403 ban/timed", "over {hop}");
}

#[test]
fn visitor_without_a_hop_keeps_access() {
    assert_visitor_keeps_access("direct");
}

#[test]
fn visitor_behind_nginx_keeps_access() {
    assert_visitor_keeps_access("plain");
}

#[test]
fn visitor_behind_nginx_that_decodes_keeps_access() {
    assert_visitor_keeps_access("uri");
}

#[test]
fn visitor_behind_nginx_with_http10_keeps_access() {
    assert_visitor_keeps_access("http10");
}

#[test]
fn scanner_with_the_same_targets_is_banned() {
    for hop in ["direct", "plain", "uri", "http10"] {
        assert_scanner_is_banned(hop);
    }
}

#[test]
fn visitor_is_limited_and_not_banned_by_a_limit() {
    for hop in ["direct", "plain", "uri", "http10"] {
        let server = guarded(LIMIT);
        let tricks = tricks(hop);
        for round in 0..50 {
            for trick in &tricks {
                let response = server.send(trick.by_browser(round));
                assert_eq!(
                    response.bans(),
                    [],
                    "{} over {hop}, round {round}",
                    trick.name
                );
            }
        }
        assert_eq!(home(&server, hop), "429 all", "over {hop}");
        server.clock.advance(Duration::from_mins(1));
        assert_eq!(home(&server, hop), "200", "over {hop}");
    }
}
