//! The order of judgment, with inspectors of one's own to stand where a policy's would.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use gabion_core::{
    Cause, Denial, Facts, Inspect, Mode, Now, Offense, Outcome, PolicySource as _, Reason,
    RequestState, RuleId, Verdict,
};
use gabion_policy::{Explained, PolicyHandle, PolicyOptions, SampleRequest, explain};
use http::StatusCode;

use crate::handle::Ear;

pub(crate) const NOW: Now = Now::new(Duration::from_secs(1), SystemTime::UNIX_EPOCH);

/// Answers every request alike, and counts how often it is asked and taught.
struct Own {
    verdict: Verdict,
    asked: AtomicUsize,
    taught: AtomicUsize,
}

impl Own {
    fn answering(verdict: Verdict) -> Arc<Self> {
        Arc::new(Self {
            verdict,
            asked: AtomicUsize::new(0),
            taught: AtomicUsize::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Inspect for Own {
    fn name(&self) -> &'static str {
        "own"
    }

    fn inspect(&self, _: &Facts<'_>, _: &mut RequestState) -> Verdict {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.verdict.clone()
    }

    fn on_response(&self, _: &RequestState, _: &Outcome<'_>) -> Option<Offense> {
        self.taught.fetch_add(1, Ordering::Relaxed);
        let rule = RuleId::builtin("own");
        let ban_for = Duration::from_secs(7);
        Some(Offense::certain(rule, ban_for))
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

fn live(text: &str, own: &[Arc<Own>]) -> PolicyHandle {
    let mut options = PolicyOptions::new(Arc::new(Ear::default()));
    for rule in own {
        options = options.add_rule(rule.clone());
    }
    PolicyHandle::from_document(text, "policy.toml", options).expect("the policy is sound")
}

fn judge(live: &PolicyHandle, request: &str, from: [u8; 4]) -> Explained {
    let probe = SampleRequest::new(request).unwrap().with_from(from.into());
    explain(&live.current(), &probe, NOW)
}

fn names(judged: &Explained) -> Vec<&str> {
    judged
        .steps
        .steps()
        .iter()
        .map(|step| step.inspector)
        .collect()
}

const STRANGER: [u8; 4] = [192, 0, 2, 1];
const FRIEND: [u8; 4] = [192, 0, 2, 7];
const BANNED: [u8; 4] = [192, 0, 2, 8];

#[test]
fn clean_request_is_asked_about_in_order() {
    let live = live(POLICY, &[Own::answering(Verdict::Pass)]);
    let judged = judge(&live, "/", STRANGER);
    assert_eq!(judged.verdict, Verdict::Pass);
    assert_eq!(
        names(&judged),
        ["protocol", "behind", "allow", "ban", "hosts", "own", "deny"]
    );
}

#[test]
fn first_verdict_that_counts_ends_the_judgment() {
    let own = Own::answering(Denial::forbidden("own", "no").into());
    let live = live(POLICY, std::slice::from_ref(&own));
    for (request, from, asked) in [
        ("/index.php", FRIEND, &["protocol", "behind", "allow"][..]),
        ("/open/index.php", BANNED, &["protocol", "behind", "allow"]),
        (
            "/index.php",
            BANNED,
            &["protocol", "behind", "allow", "ban"],
        ),
        (
            "/index.php",
            STRANGER,
            &["protocol", "behind", "allow", "ban", "hosts", "own"],
        ),
    ] {
        assert_eq!(names(&judge(&live, request, from)), asked, "{request}");
    }
    assert_eq!(own.asked(), 1);
}

#[test]
fn allow_does_not_rescue_a_malformed_head() {
    let live = live(POLICY, &[]);
    for from in [STRANGER, FRIEND] {
        let judged = judge(&live, "/open/%00", from);
        let Verdict::Deny(denial) = &judged.verdict else {
            panic!("{judged}");
        };
        assert_eq!(denial.cause.rule.as_str(), "path/nul");
    }
}

#[test]
fn malformed_head_is_refused_by_the_rule_that_says_what_it_was_after() {
    let own = Own::answering(Verdict::Pass);
    let live = live(POLICY, std::slice::from_ref(&own));
    for (request, from, rule) in [
        ("/%00", STRANGER, "path/nul"),
        ("/seen%00", STRANGER, "path/nul"),
        ("/index.php%00", STRANGER, "php"),
        ("/index.php%00", FRIEND, "path/nul"),
        ("/open/../index.php%00", STRANGER, "php"),
        ("/index.php%00", BANNED, "ban"),
    ] {
        let judged = judge(&live, request, from);
        let Verdict::Deny(denial) = &judged.verdict else {
            panic!("{judged}");
        };
        assert!(denial.cause.rule.as_str().starts_with(rule), "{judged}");
    }
    assert_eq!(
        own.asked(),
        0,
        "a head that is not sound is no business of own rules"
    );
}

#[test]
fn observed_denial_is_noted_and_hides_nothing() {
    let watcher = Denial::forbidden("own", "hm").with_mode(Mode::Observe);
    let live = live(POLICY, &[Own::answering(watcher.into())]);
    let judged = judge(&live, "/seen/index.php", STRANGER);
    assert!(judged.verdict.refuses(), "{judged}");
    let judged = judge(&live, "/seen", STRANGER);
    assert_eq!(judged.verdict, Verdict::Pass);
    let observed: Vec<_> = judged
        .observed
        .iter()
        .map(|denial| denial.cause.rule.as_str())
        .collect();
    assert_eq!(observed, ["own", "seen"]);
}

#[test]
fn document_that_observes_refuses_nothing() {
    let live = live(&format!("mode = 'observe'\n{POLICY}"), &[]);
    for (request, from) in [
        ("/index.php", STRANGER),
        ("/", BANNED),
        ("/index.php%00", BANNED),
    ] {
        let judged = judge(&live, request, from);
        assert_eq!(judged.verdict, Verdict::Pass, "{judged}");
        assert!(!judged.observed.is_empty(), "{judged}");
    }
}

#[test]
fn own_rule_may_let_through() {
    let cause = Cause::new(RuleId::builtin("own"), Reason::Other("mine".into()));
    let live = live(POLICY, &[Own::answering(Verdict::Allow(cause))]);
    assert!(matches!(
        judge(&live, "/index.php", STRANGER).verdict,
        Verdict::Allow(_)
    ));
}

#[test]
fn everyone_learns_and_the_first_offense_counts() {
    let own = [Own::answering(Verdict::Pass), Own::answering(Verdict::Pass)];
    let live = live(POLICY, &own);
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
    let facts = Facts::resolve(head, peer, &live.current().client, NOW);
    let outcome = Outcome::new(StatusCode::NOT_FOUND, None, Duration::ZERO);
    let offense = live
        .current()
        .chain
        .on_response(&RequestState::new(&facts), &outcome);
    assert_eq!(
        offense.map(|offense| offense.ban_for),
        Some(Duration::from_secs(7))
    );
    for own in own {
        assert_eq!(own.taught.load(Ordering::Relaxed), 1);
    }
}
