//! Tests of explanations.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use gabion_core::{Event, Now, PolicySource as _, RequestState, Sink};

use super::{
    RequestExplanation, RuleSelection,
    exception::{Scope, is_precise},
};
use crate::{PolicyHandle, PolicyOptions, SampleRequest};

struct NoEvents;

impl Sink for NoEvents {
    fn record(&self, _: &Event) {}
}

const NOW: Now = Now::new(Duration::ZERO, UNIX_EPOCH);

fn policy(text: &str) -> PolicyHandle {
    let text = format!("version = 1\n{text}");
    PolicyHandle::from_document(&text, "policy.toml", PolicyOptions::new(Arc::new(NoEvents)))
        .unwrap()
}

fn request(text: &str) -> SampleRequest {
    SampleRequest::new(text)
        .unwrap()
        .with_from([203, 0, 113, 9].into())
}

fn explain(policy: &PolicyHandle, text: &str) -> RequestExplanation {
    policy.explain(&request(text), NOW, &RuleSelection::Matching)
}

/// Judges and counts a request, and returns `true` if it is denied.
fn judge(policy: &PolicyHandle, request: &SampleRequest) -> bool {
    let snapshot = policy.current();
    let facts = request.facts(&snapshot, NOW);
    let mut state = RequestState::new(&facts);
    snapshot.chain.inspect(&facts, &mut state).refuses()
}

#[test]
fn explaining_takes_nothing_from_a_limit() {
    let policy = policy("[[limit]]\nid = 'pages'\nrate = '1/m'\nmode = 'enforce'\n");
    for _ in 0..5 {
        assert!(!explain(&policy, "/").is_denied);
    }
    assert!(!judge(&policy, &request("/")), "the quota is untouched");
    assert!(judge(&policy, &request("/")));
    assert!(explain(&policy, "/").is_denied, "the live quota is read");
}

#[test]
fn rule_behind_another_is_listed_too() {
    let rules =
        "[[deny]]\nid = 'a'\nnames = '.env'\n[[deny]]\nid = 'b'\nprefix = '/x'\nmode = 'observe'\n";
    let explained = explain(&policy(rules), "/x/.env");
    let ids: Vec<_> = explained
        .rules
        .iter()
        .map(|rule| (rule.id.as_str(), rule.matches))
        .collect();
    assert_eq!(ids, [("a", true), ("b", true)]);
    assert_eq!(explained.deny_rules, 2);
}

#[test]
fn exception_keeps_the_entries_of_the_section() {
    let rules = "packs = ['never']\n[allow]\nnetworks = ['192.0.2.9']\npaths = ['/ok']\n";
    let exception = explain(&policy(rules), "/docs/.env").exception.unwrap();
    assert_eq!(
        exception.snippet,
        "[allow]\nnetworks = [\"192.0.2.9\"]\npaths = [\"/ok\", \"/docs/.env\"]\n"
    );
}

#[test]
fn client_over_its_limit_is_offered_an_exception_for_its_network_only() {
    let policy = policy("packs = ['never']\n[[limit]]\nid = 'a'\nrate = '1/m'\nmode = 'enforce'\n");
    assert!(!judge(&policy, &request("/")));
    let exception = explain(&policy, "/page").exception.unwrap();
    assert_eq!(exception.snippet, "[allow]\nnetworks = [\"203.0.113.9\"]\n");
}

#[test]
fn client_that_cannot_be_allowed_is_offered_no_exception() {
    let rules = "[client]\ntrusted_proxies = ['203.0.113.9']\n[[limit]]\nid = 'a'\nrate = '1/m'\nmode = 'enforce'\n";
    let policy = policy(rules);
    let unknown = request("/")
        .with_header("x-forwarded-for", "unknown")
        .unwrap();
    assert!(!judge(&policy, &unknown));
    let explained = policy.explain(&unknown, NOW, &RuleSelection::Matching);
    assert!(explained.is_denied);
    assert_eq!(explained.exception, None);
}

#[test]
fn exception_that_the_policy_refuses_is_not_offered() {
    // A ban list must not cover an allowed network.
    let explained = explain(&policy("[ban]\nnetworks = ['203.0.113.0/24']\n"), "/");
    assert!(explained.is_denied);
    assert_eq!(explained.exception, None);
}

#[test]
fn protocol_rule_is_switched_off_for_the_path_only() {
    let exception = explain(&policy(""), "/files/%ff").exception.unwrap();
    assert_eq!(
        exception.snippet,
        "[[protocol.except]]\npaths = [\"/files\"]\noff = [\"path/utf8\"]\n"
    );
}

#[test]
fn path_that_cannot_be_allowed_is_offered_for_the_client_only() {
    let rules = "[[deny]]\nid = 'root'\nexact = '/'\n";
    let exception = explain(&policy(rules), "/").exception.unwrap();
    assert_eq!(exception.snippet, "[allow]\nnetworks = [\"203.0.113.9\"]\n");
}

#[test]
fn change_that_lets_another_attack_pass_is_not_precise() {
    let (today, without) = (policy("packs = ['never']\n"), policy(""));
    let request = request("/docs/.env");
    let snapshot = today.current();
    let facts = request.facts(&snapshot, NOW);
    let is_precise = |changed: &PolicyHandle| {
        is_precise(
            Scope::Path,
            &request,
            &facts,
            &today.current(),
            &changed.current(),
        )
    };
    assert!(!is_precise(&without), "it passes all probes");
    let allowed = policy("packs = ['never']\n[allow]\npaths = '/docs/.env'\n");
    assert!(is_precise(&allowed));
    assert!(!is_precise(&today), "the request does not pass");
}

#[test]
fn passing_request_has_no_exception() {
    assert_eq!(explain(&policy("packs = ['never']\n"), "/").exception, None);
}
