//! A client that claims to be a crawler is denied, and banned only once its address refutes the claim.

use std::time::Duration;

use gabion::ban::{BanArbiter, BanChange, CrawlerFinding};
use gabion_testkit::TestRequest;

use crate::support::in_process::{InProcess, banned, get, guarded, probe};

const POLICY: &str = r#"
    version = 1
    [ban]
    crawlers = ["google"]
    [[deny]]
    id = "dotfiles"
    names = [".env"]
    then = "ban"
"#;
const MINUTE: Duration = Duration::from_mins(1);

fn googlebot(request: TestRequest) -> TestRequest {
    request.header("user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1)")
}

/// Sends a probe as a crawler, which is denied, and returns the changes of its ban.
fn offend(server: &InProcess) -> Vec<BanChange> {
    let answer = server.send(googlebot(probe("/.env")));
    assert_eq!(answer.verdict(), "403 dotfiles");
    answer.bans()
}

#[track_caller]
fn assert_withheld(changes: &[BanChange], words: &str) {
    match changes {
        [BanChange::Withheld(why)] if why.contains(words) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn pending_claim_denies_and_does_not_ban() {
    let server = guarded(POLICY);
    for _ in 0..3 {
        assert_withheld(&offend(&server), "not verified yet");
        assert_eq!(server.verdict(googlebot(get("/"))), "200");
    }
    assert!(banned(&server).is_empty());
}

#[test]
fn refuted_claim_bans_for_the_offense_that_was_pending() {
    let server = guarded(POLICY);
    offend(&server);
    let lookup = server.guard.next_crawler_lookup().expect("a lookup");
    assert_eq!(lookup.addr().to_string(), "203.0.113.9");
    server
        .guard
        .record_crawler(&lookup, CrawlerFinding::Refuted);
    assert_eq!(banned(&server), ["203.0.113.9/32"]);
    let answer = server.send(googlebot(get("/")));
    assert_eq!(answer.verdict(), "403 ban/timed");
    assert_eq!(
        answer.bans(),
        [BanChange::Placed],
        "an event of the finding"
    );
}

#[test]
fn verified_crawler_is_denied_and_never_banned() {
    let server = guarded(POLICY);
    offend(&server);
    let lookup = server.guard.next_crawler_lookup().expect("a lookup");
    server
        .guard
        .record_crawler(&lookup, CrawlerFinding::Verified);
    for _ in 0..3 {
        assert_withheld(&offend(&server), "that of the crawler");
        server.clock.advance(60 * MINUTE);
    }
    assert_eq!(server.verdict(googlebot(get("/"))), "200");
}

#[test]
fn failed_lookups_defer_a_ban_for_a_quarter_of_an_hour() {
    let server = guarded(POLICY);
    offend(&server);
    let mut elapsed = Duration::ZERO;
    while elapsed < BanArbiter::PENDING_FOR {
        if let Some(lookup) = server.guard.next_crawler_lookup() {
            server.guard.record_crawler(&lookup, CrawlerFinding::Failed);
        }
        assert_withheld(&offend(&server), "not verified yet");
        server.clock.advance(MINUTE);
        elapsed += MINUTE;
    }
    assert_eq!(offend(&server), [BanChange::Placed]);
}

#[test]
fn observe_override_verifies_and_bans_no_crawler() {
    let server = guarded(POLICY);
    offend(&server);
    let lookup = server.guard.next_crawler_lookup().expect("a lookup");
    server.guard.observe_for(10 * MINUTE);
    server
        .guard
        .record_crawler(&lookup, CrawlerFinding::Refuted);
    assert!(banned(&server).is_empty());
    server.clock.advance(BanArbiter::LOOKUP_RETRY);
    assert!(server.guard.next_crawler_lookup().is_none());
    server.clock.advance(BanArbiter::LOOKUP_RETRY);
    let lookup = server.guard.next_crawler_lookup().expect("another lookup");
    server
        .guard
        .record_crawler(&lookup, CrawlerFinding::Refuted);
    assert_eq!(banned(&server), ["203.0.113.9/32"]);
}

#[test]
fn lookups_are_off_unless_the_policy_names_crawlers() {
    let server = guarded(&POLICY.replace("crawlers = [\"google\"]", ""));
    assert_eq!(offend(&server), [BanChange::Placed]);
    assert!(server.guard.next_crawler_lookup().is_none());
}
