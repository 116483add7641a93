//! The order of the inspectors, and the user's own rules in it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use gabion_core::{
    Cause, Denial, Facts, Findings, Inspect, Mode, Now, Offense, Outcome, PolicySource as _,
    Reason, RequestState, RuleId, Verdict,
};
use gabion_policy::{Explained, PolicyHandle, PolicyOptions, SampleRequest, explain};
use http::StatusCode;

use crate::handle::EventLog;

pub(crate) const NOW: Now = Now::new(Duration::from_secs(1), SystemTime::UNIX_EPOCH);

/// Returns one verdict for every request, and counts its calls.
struct FixedVerdict {
    verdict: Verdict,
    inspected: AtomicUsize,
    responses: AtomicUsize,
}

impl FixedVerdict {
    fn new(verdict: Verdict) -> Arc<Self> {
        Arc::new(Self {
            verdict,
            inspected: AtomicUsize::new(0),
            responses: AtomicUsize::new(0),
        })
    }

    fn inspected(&self) -> usize {
        self.inspected.load(Ordering::Relaxed)
    }
}

impl Inspect for FixedVerdict {
    fn name(&self) -> &'static str {
        "own"
    }

    fn inspect(&self, _: &Facts<'_>, _: &mut RequestState) -> Verdict {
        self.inspected.fetch_add(1, Ordering::Relaxed);
        self.verdict.clone()
    }

    fn on_response(&self, _: &RequestState, _: &Outcome<'_>, findings: &mut Findings) {
        self.responses.fetch_add(1, Ordering::Relaxed);
        let rule = RuleId::builtin("own");
        let ban_for = Duration::from_secs(7);
        findings.report_offense(Offense::certain(rule, ban_for));
    }
}

const POLICY: &str = "version = 1
[allow]
networks = ['192.0.2.7']
paths = ['/open']
[ban]
networks = ['192.0.2.8', '192.0.2.9']
[[deny]]
id = 'php'
extensions = 'php'
[[deny]]
id = 'seen'
names = 'seen'
mode = 'observe'
";

fn compile(text: &str, rule: &[Arc<FixedVerdict>]) -> PolicyHandle {
    let mut options = PolicyOptions::new(Arc::new(EventLog::default()));
    for rule in rule {
        options = options.add_rule(rule.clone());
    }
    PolicyHandle::from_document(text, "policy.toml", options).expect("the policy is valid")
}

fn judge(policy: &PolicyHandle, request: &str, from: [u8; 4]) -> Explained {
    let request = SampleRequest::new(request).unwrap().with_from(from.into());
    explain(&policy.current(), &request, NOW)
}

fn inspectors(explained: &Explained) -> Vec<&str> {
    explained
        .steps
        .steps()
        .iter()
        .map(|step| step.inspector)
        .collect()
}

const OTHER: [u8; 4] = [192, 0, 2, 1];
const ALLOWED: [u8; 4] = [192, 0, 2, 7];
const BANNED: [u8; 4] = [192, 0, 2, 8];

#[test]
fn clean_request_runs_every_inspector_in_order() {
    let policy = compile(POLICY, &[FixedVerdict::new(Verdict::Pass)]);
    let explained = judge(&policy, "/", OTHER);
    assert_eq!(explained.verdict, Verdict::Pass);
    assert_eq!(
        inspectors(&explained),
        [
            "protocol",
            "quirks",
            "allow",
            "ban",
            "hosts",
            "own",
            "deny",
            "handshake"
        ]
    );
}

#[test]
fn first_enforced_verdict_ends_judgment() {
    let rule = FixedVerdict::new(Denial::forbidden("own", "no").into());
    let policy = compile(POLICY, std::slice::from_ref(&rule));
    for (request, from, inspected) in [
        ("/index.php", ALLOWED, &["protocol", "quirks", "allow"][..]),
        ("/open/index.php", BANNED, &["protocol", "quirks", "allow"]),
        (
            "/index.php",
            BANNED,
            &["protocol", "quirks", "allow", "ban"],
        ),
        (
            "/index.php",
            OTHER,
            &["protocol", "quirks", "allow", "ban", "hosts", "own"],
        ),
    ] {
        assert_eq!(
            inspectors(&judge(&policy, request, from)),
            inspected,
            "{request}"
        );
    }
    assert_eq!(rule.inspected(), 1);
}

#[test]
fn malformed_request_of_an_allowed_client_is_denied() {
    let policy = compile(POLICY, &[]);
    for from in [OTHER, ALLOWED] {
        let explained = judge(&policy, "/open/%00", from);
        let Verdict::Deny(denial) = &explained.verdict else {
            panic!("{explained}");
        };
        assert_eq!(denial.cause.rule.as_str(), "path/nul");
    }
}

#[test]
fn deny_rule_takes_precedence_over_protocol_denial() {
    let rule = FixedVerdict::new(Verdict::Pass);
    let policy = compile(POLICY, std::slice::from_ref(&rule));
    for (request, from, rule) in [
        ("/%00", OTHER, "path/nul"),
        ("/seen%00", OTHER, "path/nul"),
        ("/index.php%00", OTHER, "php"),
        ("/index.php%00", ALLOWED, "path/nul"),
        ("/open/../index.php%00", OTHER, "php"),
        ("/index.php%00", BANNED, "ban"),
    ] {
        let explained = judge(&policy, request, from);
        let Verdict::Deny(denial) = &explained.verdict else {
            panic!("{explained}");
        };
        assert!(denial.cause.rule.as_str().starts_with(rule), "{explained}");
    }
    assert_eq!(
        rule.inspected(),
        0,
        "own rules do not judge a malformed request"
    );
}

#[test]
fn observed_denial_is_recorded_and_hides_no_enforced_one() {
    let observed = Denial::forbidden("own", "hm").with_mode(Mode::Observe);
    let policy = compile(POLICY, &[FixedVerdict::new(observed.into())]);
    let explained = judge(&policy, "/seen/index.php", OTHER);
    assert!(explained.verdict.refuses(), "{explained}");
    let explained = judge(&policy, "/seen", OTHER);
    assert_eq!(explained.verdict, Verdict::Pass);
    let observed: Vec<_> = explained
        .observed
        .iter()
        .map(|denial| denial.cause.rule.as_str())
        .collect();
    assert_eq!(observed, ["own", "seen"]);
}

#[test]
fn document_in_observe_mode_refuses_nothing() {
    let policy = compile(&format!("mode = 'observe'\n{POLICY}"), &[]);
    for (request, from) in [
        ("/index.php", OTHER),
        ("/", BANNED),
        ("/index.php%00", BANNED),
    ] {
        let explained = judge(&policy, request, from);
        assert_eq!(explained.verdict, Verdict::Pass, "{explained}");
        assert!(!explained.observed.is_empty(), "{explained}");
    }
}

#[test]
fn own_rule_can_allow_a_request() {
    let cause = Cause::new(RuleId::builtin("own"), Reason::Other("mine".into()));
    let policy = compile(POLICY, &[FixedVerdict::new(Verdict::allow(cause))]);
    assert!(matches!(
        judge(&policy, "/index.php", OTHER).verdict,
        Verdict::Allow(_)
    ));
}

#[test]
fn every_inspector_sees_the_response_and_the_first_offense_is_returned() {
    let rule = [
        FixedVerdict::new(Verdict::Pass),
        FixedVerdict::new(Verdict::Pass),
    ];
    let policy = compile(POLICY, &rule);
    let (method, headers) = (http::Method::GET, http::HeaderMap::new());
    let uri = http::Uri::from_static("/");
    let head = gabion_core::Head {
        method: &method,
        uri: &uri,
        version: http::Version::HTTP_11,
        headers: &headers,
        protocol: None,
        framing: gabion_core::Framing::AsShown,
        scheme: gabion_core::Scheme::Plain,
    };
    let peer = gabion_core::PeerAddr::new("192.0.2.1:1".parse().unwrap());
    let facts = Facts::resolve(head, peer, &policy.current().client, NOW);
    let outcome = Outcome::new(StatusCode::NOT_FOUND, None, Duration::ZERO);
    let mut findings = Findings::default();
    let chain = &policy.current().chain;
    chain.on_response(&RequestState::new(&facts), &outcome, &mut findings);
    assert_eq!(
        findings.offense.map(|offense| offense.ban_for),
        Some(Duration::from_secs(7))
    );
    for rule in rule {
        assert_eq!(rule.responses.load(Ordering::Relaxed), 1);
    }
}
