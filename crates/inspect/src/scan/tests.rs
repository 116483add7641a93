use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use gabion_core::{Attribution, ClientRules, Findings, Inspect, Now, Outcome, RequestState};
use gabion_testkit::{OwnedHead, client_at};
use http::StatusCode;
use proptest::prelude::*;

use super::signal::{self, Detector, RequestFeatures};
use crate::{Config as _, Context, State};
use crate::{Scan, ScanConfig, Scores};

/// Returns the signals in a head.
fn signals(head: &OwnedHead) -> Vec<&'static str> {
    let rules = ClientRules::default();
    let facts = head.facts(&rules);
    let features = RequestFeatures::new(
        &facts,
        signal::probe::cause(&facts, facts.path.last_segment()).is_some(),
    );
    let matches = |signal: &signal::Signal| matches!(signal.detector, Detector::Head { matches, .. } if matches(&features));
    let all = signal::ALL.iter().filter(|signal| matches(signal));
    all.map(|signal| signal.name).collect()
}

fn browser(target: &str) -> OwnedHead {
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    let head = OwnedHead::get(target).header("user-agent", agent);
    head.header("accept", "*/*").header("accept-language", "en")
}

fn agent(agent: &str) -> OwnedHead {
    let head = OwnedHead::get("/").header("user-agent", agent);
    head.header("accept", "*/*")
}

#[test]
fn signals_are_detected_in_heads() {
    for (head, detected) in [
        (browser("/"), &[][..]),
        (browser("/environment/.envoy/my.env"), &[]),
        (browser("/.env"), &["probe"]),
        (browser("/a/%2egit/config"), &["probe"]),
        (browser("/HNAP1/"), &["probe"]),
        (
            agent("sqlmap/1.8#stable (https://sqlmap.org)"),
            &["scanner"],
        ),
        (agent("Mozilla/5.0 NUCLEI"), &["scanner", "bare"]),
        (
            agent("app/5.0").header("user-agent", "nuclei"),
            &["scanner"],
        ),
        (agent("curl/8.5.0"), &["library"]),
        (agent("Go-http-client/2.0"), &["library"]),
        (OwnedHead::get("/"), &["bare"]),
        (OwnedHead::get("/").header("user-agent", "feed reader"), &[]),
        (agent("Mozilla/5.0 (X11) Firefox/128.0"), &["bare"]),
        (agent("Mozilla/5.0 (compatible; Ezooms/1.0)"), &[]),
        (agent("Mozilla/4.0 (compatible; MSIE 6.0)"), &["bare"]),
        (
            agent("Mozilla/5.0 (compatible; Googlebot/2.1; +http://x)"),
            &[],
        ),
        (browser("/.env.azure"), &["probe"]),
        (browser("/config.json.old"), &[]),
        (browser("/").host("192.0.2.1:8080"), &["address"]),
        (browser("/").host("[2001:db8::1]:443"), &["address"]),
        (browser("/").host("1and1.example"), &[]),
        (browser("/").host("127.0.0.1.nip.example"), &[]),
    ] {
        assert_eq!(signals(&head), detected, "{head:?}");
    }
}

#[test]
fn every_signal_has_a_unique_name_and_a_bit() {
    let mut names: Vec<_> = signal::ALL.iter().map(|signal| signal.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), signal::ALL.len());
    assert!(signal::ALL.len() < 30, "some bits are reserved");
}

#[test]
fn assets_are_recognized() {
    let long = "/long".repeat(20);
    for (path, expected) in [
        ("/favicon.ico", true),
        ("/apple-touch-icon-120x120-precomposed", true),
        ("/.well-known/security.txt", true),
        ("/img/Logo.PNG", true),
        ("/app.min.js.map", true),
        ("/site.webmanifest", true),
        ("/Sitemap.xml", true),
        (&format!("{long}/a.woff2"), true),
        (&format!("{long}/a.html"), false),
        ("/png", false),
        ("/.js/a", false),
        ("/a.jsx", false),
        ("/a.webmanifests", false),
        ("/favicon.ico/x", false),
        ("/admin", false),
        ("/backup.zip", false),
        ("/", false),
    ] {
        let rules = ClientRules::default();
        let head = browser(path);
        let facts = head.facts(&rules);
        let last = facts.path.last_segment();
        assert_eq!(signal::asset::is_asset(&facts, last), expected, "{path}");
    }
}

#[test]
fn scores_are_bounded_and_keep_frequent_clients() {
    let scores = Arc::new(Scores::new(100));
    let ban_for = Duration::from_mins(1);
    let scan = ScanConfig::default()
        .compile(&Context::new(&State::scratch().with_scores(scores.clone())).with_ban_for(ban_for))
        .unwrap();
    let rules = ClientRules::default();
    let scan_from = |addr: &str| {
        let head = agent("nikto").from(addr);
        let facts = head.facts(&rules);
        let mut state = RequestState::new(&facts);
        scan.inspect(&facts, &mut state);
        let outcome = Outcome::new(StatusCode::OK, None, Duration::ZERO);
        let mut findings = Findings::default();
        scan.on_response(&state, &outcome, &mut findings);
        findings.offense
    };
    for number in 0..10_000_u32 {
        let [.., high, low] = number.to_be_bytes();
        assert_eq!(scan_from(&format!("198.51.{high}.{low}")), None);
        if number % 10 == 0 {
            scan_from("203.0.113.9");
        }
    }
    assert!(scores.clients.len() <= 100, "{scores:?}");
    let offense = scan_from("203.0.113.9").expect("a frequent client is not evicted");
    assert_eq!(offense.attribution, Attribution::Certain);
    assert_eq!((offense.rule, offense.ban_for), (Scan::RULE, ban_for));
}

/// An exchange: the client, the target, the status and the length of the response, and the minutes since the
/// exchange before.
type Step = (u8, &'static str, u16, Option<u64>, u64);

fn step() -> impl Strategy<Value = Step> {
    let target = prop::sample::select(vec![
        "/",
        "/a",
        "/a?q=1",
        "/b/c",
        "/b/d",
        "/users/17",
        "/users/18",
        "/app.css",
        "/.env",
        "/old",
        "/x?q='--",
    ]);
    let status = prop::sample::select(vec![200, 200, 200, 304, 404, 500, 302]);
    let length = prop::sample::select(vec![None, Some(10), Some(900), Some(901), Some(902)]);
    (
        0..3_u8,
        target,
        status,
        length,
        prop::sample::select(vec![0, 0, 0, 1, 20]),
    )
}

/// Returns the offenses of a history, and the scores at its end. `before_each` runs before each exchange.
fn play(history: &[Step], before_each: impl Fn(&Scores)) -> (Vec<String>, Vec<f32>) {
    let scores = Arc::new(Scores::new(100));
    let state = State::scratch().with_scores(Arc::clone(&scores));
    let scan = ScanConfig::default()
        .compile(&Context::new(&state))
        .unwrap();
    let rules = ClientRules::default();
    let mut now = Duration::ZERO;
    let mut offenses = Vec::new();
    for &(client, target, status, length, minutes) in history {
        now += Duration::from_mins(minutes);
        before_each(&scores);
        let head = browser(target).from(&format!("203.0.113.{client}")).at(now);
        let facts = head.facts(&rules);
        let mut state = RequestState::new(&facts);
        scan.inspect(&facts, &mut state);
        let status = StatusCode::from_u16(status).unwrap();
        let outcome = Outcome::new(status, None, Duration::ZERO).with_length(length);
        let mut findings = Findings::default();
        scan.on_response(&state, &outcome, &mut findings);
        offenses.push(format!("{:?}", findings.offense));
    }
    let end = Now::new(now, UNIX_EPOCH);
    let score = |client| {
        let client = client_at(&format!("203.0.113.{client}"));
        let mut score = scores.clients.get((&client).into()).unwrap_or_default();
        score.apply_decay(&scan.scoring, end);
        [score.total, score.history.served.estimate()]
    };
    (offenses, (0..3).flat_map(score).collect())
}

proptest! {
    #[test]
    fn visits_that_take_no_lock_change_no_verdict(history in prop::collection::vec(step(), 0..120)) {
        let (fast, fast_scores) = play(&history, |_| {});
        let (slow, slow_scores) = play(&history, |scores| scores.visits.clear());
        prop_assert_eq!(fast, slow);
        for (fast, slow) in fast_scores.iter().zip(&slow_scores) {
            prop_assert!((fast - slow).abs() < 0.01, "{fast_scores:?} {slow_scores:?}");
        }
    }
}
