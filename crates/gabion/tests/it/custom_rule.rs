//! A custom rule takes ten lines, runs between `ban` and `deny`, and stays across reloads.

use gabion_testkit::TestRequest;
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use gabion::{
    Denial, Facts, Inspect, RequestState, Verdict,
    ban::Offense,
    event::BanChange,
    inspect::{Findings, Outcome, RuleId},
};
use http::StatusCode;

use crate::support::in_process::{ban, banned, build_guarded, get};

struct NoDebugging;

impl Inspect for NoDebugging {
    fn name(&self) -> &'static str {
        "no-debugging"
    }

    fn inspect(&self, facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        match facts.headers.get("x-debug") {
            Some(_) => Denial::forbidden("no-debugging", "x-debug is for developers").into(),
            None => Verdict::Pass,
        }
    }
}

/// Bans the client of the third 404 response; counts all clients together.
struct ThirdMissing(AtomicU32);

impl Inspect for ThirdMissing {
    fn name(&self) -> &'static str {
        "patience"
    }

    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    fn on_response(&self, _: &RequestState, outcome: &Outcome<'_>, findings: &mut Findings) {
        let missed = outcome.status == StatusCode::NOT_FOUND && outcome.denial.is_none();
        if missed && self.0.fetch_add(1, Ordering::Relaxed) == 2 {
            let rule = RuleId::builtin("patience");
            findings.report_offense(Offense::certain(rule, Duration::from_mins(1)));
        }
    }
}

const POLICY: &str = r#"
    version = 1
    [allow]
    networks = ["192.0.2.7"]
    [[deny]]
    id = "dotfiles"
    names = [".env"]
    then = "404"
"#;

fn debugging(target: &str) -> TestRequest {
    get(target).header("x-debug", "1")
}

#[test]
fn custom_rule_runs_after_allow_and_ban_and_before_deny() {
    let server = build_guarded(|guard| {
        guard
            .add_rule(NoDebugging)
            .with_policy(POLICY, "policy.toml")
    });
    ban(&server, "198.51.100.7");
    for (request, verdict) in [
        (debugging("/"), "403 no-debugging"),
        (debugging("/.env"), "403 no-debugging"),
        (debugging("/%00"), "400 path/nul"),
        (debugging("/").from("192.0.2.7"), "200 allow/network"),
        (debugging("/").from("198.51.100.7"), "403 ban/timed"),
        (get("/.env"), "404 dotfiles"),
        (get("/"), "200"),
    ] {
        assert_eq!(server.verdict(request.clone()), verdict, "{request:?}");
    }
}

#[test]
fn custom_rule_stays_when_the_policy_is_replaced() {
    let server = build_guarded(|guard| {
        guard
            .add_rule(NoDebugging)
            .with_policy(POLICY, "policy.toml")
    });
    for policy in [POLICY.replace(".env", ".git"), POLICY.to_owned()] {
        server.guard.policy_handle().replace(&policy).unwrap();
        server.events.take();
        assert_eq!(server.verdict(debugging("/")), "403 no-debugging");
        assert_eq!(server.verdict("/"), "200");
    }
}

#[test]
fn custom_rule_bans_in_on_response() {
    let patience = ThirdMissing(AtomicU32::new(0));
    let server = build_guarded(|guard| guard.add_rule(patience).with_policy(POLICY, "policy.toml"));
    for target in ["/missing/a", "/.env", "/", "/missing/b"] {
        assert_eq!(server.send(target).bans(), [], "{target}");
    }
    let third = server.send("/missing/c");
    assert_eq!((third.status, third.bans()), (404, vec![BanChange::Placed]));
    let answer = server.send("/");
    assert_eq!(answer.verdict(), "403 ban/timed");
    let words = answer.event_texts();
    assert!(
        words[0].ends_with("rule ban/timed: banned by rule patience for another 60 s"),
        "{words:?}"
    );
    assert_eq!(server.verdict(get("/").from("198.51.100.7")), "200");
}

#[test]
fn custom_rule_does_nothing_in_observe_mode() {
    let observing = POLICY.replace("version = 1", "version = 1\nmode = \"observe\"");
    let server = build_guarded(|guard| {
        guard
            .add_rule(NoDebugging)
            .add_rule(ThirdMissing(AtomicU32::new(2)))
            .with_policy(&observing, "policy.toml")
    });
    let answer = server.send(debugging("/"));
    assert_eq!(answer.verdict(), "200");
    assert!(answer.event_texts()[0].contains("would have been denied (403): rule no-debugging"));
    assert_eq!(server.send("/missing/a").status, 404);
    assert!(
        banned(&server).is_empty(),
        "a denial in observe mode does not ban"
    );
}

/// Keeps values in the state of a request, and reads them in the response.
struct Keeps;

impl Inspect for Keeps {
    fn name(&self) -> &'static str {
        "keeps"
    }

    fn inspect(&self, _facts: &Facts<'_>, state: &mut RequestState) -> Verdict {
        for number in 0..100_u32 {
            state.extensions_mut().insert([number; 64]);
        }
        Verdict::Pass
    }

    fn on_response(&self, state: &RequestState, _: &Outcome<'_>, _: &mut Findings) {
        let kept = state.extensions().and_then(|all| all.get::<[u32; 64]>());
        assert_eq!(kept, Some(&[99; 64]));
    }
}

#[test]
fn state_of_a_custom_rule_does_not_disable_a_limit_on_responses() {
    let limited = format!(
        "{POLICY}\n[[limit]]\nid = \"misses\"\nrate = \"1/h\"\nstatuses = [404]\nmode = \"enforce\""
    );
    let server = build_guarded(|guard| guard.add_rule(Keeps).with_policy(&limited, "policy.toml"));
    assert_eq!(server.send("/missing/a").status, 404);
    assert_eq!(server.verdict("/missing/b"), "429 misses");
}
