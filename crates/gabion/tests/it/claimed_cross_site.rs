//! A client's claim that a page of another origin caused its requests protects it from a ban, not from
//! a score: while the score is high, such requests are refused for a short time. The visitor of a hostile
//! page keeps the site; a scanner that makes the claim in each request gets nothing.

use std::time::Duration;

use gabion_testkit::TestRequest;

use crate::support::site::{Answered, Site, browser};

const POLICY: &str = "version = 1\n[scan]\n";

fn site(target: &str) -> (u16, String) {
    match target {
        "/" | "/shop" | "/account" => (200, format!("page {target}")),
        _ => (404, String::new()),
    }
}

fn cross_site(target: &str) -> TestRequest {
    browser(target).header("sec-fetch-site", "cross-site")
}

/// A site after the requests of a hostile page for `count` probes.
fn after_probes(count: u32) -> Site {
    let found = Site::new(POLICY, site);
    for number in 0..count {
        let Answered { bans, .. } = found.send(cross_site(&format!("/{number}/.env")));
        assert_eq!(bans, []);
    }
    found
}

#[test]
fn scanner_that_claims_in_each_request_reaches_nothing_more() {
    let found = Site::new(POLICY, site);
    found.send(browser("/shop").from("198.51.100.7"));
    let claims = |from: u32| (from..from + 60).map(|at| cross_site(&format!("/{at}/.git/config")));
    let reached = found.reached(claims(0));
    assert_eq!(reached, 3, "100 points");
    assert_eq!(found.reached(claims(100)), 0);
    let refused = found.send(cross_site("/shop"));
    assert_eq!(refused.status, 429, "a page that is known");
    let wait = refused.retry_after.unwrap();
    assert!((1..=600).contains(&wait), "{wait}");
    assert!(!found.has_ban());
    let from_page = |at: u32| {
        let request = browser(&format!("/dir{at}/page{at}"));
        request.header("referer", "https://elsewhere.example/")
    };
    assert_eq!(found.reached((0..50).map(from_page)), 0);
}

#[test]
fn visitor_of_a_hostile_page_keeps_the_site() {
    let found = after_probes(40);
    let own = |target: &str, site| browser(target).header("sec-fetch-site", site);
    for request in [
        browser("/"),
        own("/shop", "same-origin"),
        own("/account", "none"),
        browser("/account").header("referer", "http://localhost/shop"),
        own("/new-page", "same-origin"),
        browser("/shop"),
    ] {
        let target = request.0.uri().to_string();
        assert_ne!(found.send(request).status, 429, "{target}");
    }
    assert_eq!(found.send(browser("/unknown")).status, 429, "by any client");
    assert!(!found.has_ban());
}

#[test]
fn refusals_end_after_a_half_life() {
    let found = after_probes(40);
    let wait = found.send(cross_site("/shop")).retry_after.unwrap();
    found.server.clock.advance(Duration::from_secs(wait - 1));
    assert_eq!(found.send(cross_site("/shop")).status, 429);
    found.server.clock.advance(Duration::from_secs(2));
    assert_eq!(found.send(cross_site("/shop")).status, 200);
}

#[test]
fn many_probes_do_not_prolong_the_refusals() {
    let policy = format!("{POLICY}[[deny]]\nid = 'php'\nextensions = ['php']\n");
    let found = Site::new(&policy, site);
    for number in 0..400 {
        let denied = found.send(cross_site(&format!("/{number}.php")));
        assert_eq!(denied.status, 403);
    }
    let wait = found.send(cross_site("/shop")).retry_after.unwrap();
    assert!(wait <= 600, "{wait}");
}

#[test]
fn a_few_requests_of_other_pages_are_served() {
    let found = Site::new(POLICY, site);
    let links = (0..50).flat_map(|_| ["/", "/shop"]).map(cross_site);
    assert_eq!(found.reached(links), 100);
    let dead = (0..12).map(|at| cross_site(&format!("/dead-link-{at}")));
    assert_eq!(found.reached(dead), 12);
    assert_eq!(found.send(cross_site("/shop")).status, 200);
}

#[test]
fn observed_scan_refuses_nothing() {
    let found = Site::new("version = 1\n[scan]\nmode = 'observe'\n", site);
    let claims = (0..60).map(|at| cross_site(&format!("/{at}/.env")));
    assert_eq!(found.reached(claims), 60);
}

#[test]
fn refusal_names_the_score_and_its_signals() {
    let found = after_probes(3);
    let events = |request: TestRequest| {
        let response = found.server.send(request);
        let events = response.events.iter().map(ToString::to_string);
        events.collect::<Vec<_>>().join("\n")
    };
    let refused = events(cross_site("/shop"));
    let reason =
        "the client scans (105: probe), and its browser reports that a page of another origin";
    assert!(refused.contains(reason), "{refused}");
    let refused = events(browser("/unknown"));
    let reason = "the client scans (105: probe), and the service did not serve this page lately";
    assert!(refused.contains(reason), "{refused}");
}
