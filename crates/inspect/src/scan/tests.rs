use std::{sync::Arc, time::Duration};

use gabion_core::{Attribution, ClientRules, Inspect, Outcome, RequestState};
use gabion_testkit::OwnedHead;
use http::StatusCode;

use super::signal::{self, Look, Sign};
use crate::{Config as _, Context, State};
use crate::{Scan, ScanConfig, Scores};

/// The signals that a head gives.
fn signals(head: &OwnedHead) -> Vec<&'static str> {
    let rules = ClientRules::default();
    let facts = head.facts(&rules);
    let look = Look::at(&facts);
    let gives =
        |signal: &signal::Signal| matches!(signal.sign, Sign::Head { seen, .. } if seen(&look));
    let all = signal::ALL.iter().filter(|signal| gives(signal));
    all.map(|signal| signal.name).collect()
}

fn browser(target: &str) -> OwnedHead {
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    let head = OwnedHead::get(target).header("user-agent", agent);
    head.header("accept", "*/*")
}

fn agent(agent: &str) -> OwnedHead {
    let head = OwnedHead::get("/").header("user-agent", agent);
    head.header("accept", "*/*")
}

#[test]
fn heads_give_signals() {
    for (head, given) in [
        (browser("/"), &[][..]),
        (browser("/environment/.envoy/my.env"), &[]),
        (browser("/.env"), &["probe"]),
        (browser("/a/%2egit/config"), &["probe"]),
        (browser("/HNAP1/"), &["probe"]),
        (
            agent("sqlmap/1.8#stable (https://sqlmap.org)"),
            &["scanner"],
        ),
        (agent("Mozilla/5.0 NUCLEI"), &["scanner"]),
        (
            agent("Mozilla/5.0").header("user-agent", "nuclei"),
            &["scanner"],
        ),
        (agent("curl/8.5.0"), &["library"]),
        (agent("Go-http-client/2.0"), &["library"]),
        (OwnedHead::get("/"), &["bare"]),
        (OwnedHead::get("/").header("user-agent", "x"), &["bare"]),
        (browser("/").host("192.0.2.1:8080"), &["address"]),
        (browser("/").host("[2001:db8::1]:443"), &["address"]),
        (browser("/").host("1and1.example"), &[]),
        (browser("/").host("127.0.0.1.nip.example"), &[]),
    ] {
        assert_eq!(signals(&head), given, "{head:?}");
    }
}

#[test]
fn every_signal_has_a_name_of_its_own_and_a_bit() {
    let mut names: Vec<_> = signal::ALL.iter().map(|signal| signal.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), signal::ALL.len());
    assert!(signal::ALL.len() < 30, "two bits are taken");
}

#[test]
fn what_browsers_ask_for_by_themselves_is_known() {
    for (path, asset) in [
        ("/favicon.ico", true),
        ("/apple-touch-icon-120x120-precomposed", true),
        ("/.well-known/security.txt", true),
        ("/img/Logo.PNG", true),
        ("/app.min.js.map", true),
        ("/png", false),
        ("/favicon.ico/x", false),
        ("/admin", false),
        ("/backup.zip", false),
        ("/", false),
    ] {
        let rules = ClientRules::default();
        let head = browser(path);
        assert_eq!(signal::asset::is_one(&head.facts(&rules)), asset, "{path}");
    }
}

#[test]
fn ten_thousand_clients_fit_into_a_hundred_places() {
    let scores = Arc::new(Scores::new(100));
    let first = Duration::from_mins(1);
    let scan = ScanConfig::default()
        .compile(&Context::new(&State::scratch().with_scores(scores.clone())).with_ban_for(first))
        .unwrap();
    let rules = ClientRules::default();
    let scanned = |addr: &str| {
        let head = agent("nikto").from(addr);
        let facts = head.facts(&rules);
        let mut state = RequestState::new(&facts);
        scan.inspect(&facts, &mut state);
        scan.on_response(&state, &Outcome::new(StatusCode::OK, None, Duration::ZERO))
    };
    for number in 0..10_000_u32 {
        let [.., high, low] = number.to_be_bytes();
        assert_eq!(scanned(&format!("198.51.{high}.{low}")), None);
        if number % 10 == 0 {
            scanned("203.0.113.9");
        }
    }
    assert!(scores.clients.len() <= 100, "{scores:?}");
    let offense = scanned("203.0.113.9").expect("who comes again is not forgotten");
    assert_eq!(offense.attribution, Attribution::Certain);
    assert_eq!((offense.rule, offense.ban_for), (Scan::RULE, first));
}
