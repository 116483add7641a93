//! A rule of one's own takes ten lines, is asked between `ban` and `deny`, and outlives policies.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use gabion::{
    Denial, Facts, Inspect, RequestState, Verdict,
    ban::Offense,
    event::BanChange,
    inspect::{Outcome, RuleId},
};
use http::StatusCode;

use crate::support::in_process::{Ask, Wall, get};

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

/// Bans whoever asks for the third thing that is not there; counts for everybody together.
struct Patience(AtomicU32);

impl Inspect for Patience {
    fn name(&self) -> &'static str {
        "patience"
    }

    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    fn on_response(&self, _trace: &RequestState, outcome: &Outcome<'_>) -> Option<Offense> {
        let missed = outcome.status == StatusCode::NOT_FOUND && outcome.denial.is_none();
        let third = missed && self.0.fetch_add(1, Ordering::Relaxed) == 2;
        third.then(|| Offense::certain(RuleId::builtin("patience"), Duration::from_mins(1)))
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

fn debugging(target: &str) -> Ask {
    get(target).header("x-debug", "1")
}

#[test]
fn own_rule_is_asked_after_allow_and_ban_and_before_deny() {
    let wall = Wall::built(|guard| {
        guard
            .add_rule(NoDebugging)
            .with_policy(POLICY, "policy.toml")
    });
    wall.ban("198.51.100.7");
    for (ask, verdict) in [
        (debugging("/"), "403 no-debugging"),
        (debugging("/.env"), "403 no-debugging"),
        (debugging("/%00"), "400 path/nul"),
        (debugging("/").from("192.0.2.7"), "200 allow/network"),
        (debugging("/").from("198.51.100.7"), "403 ban/timed"),
        (get("/.env"), "404 dotfiles"),
        (get("/"), "200"),
    ] {
        assert_eq!(wall.verdict(ask.clone()), verdict, "{ask:?}");
    }
}

#[test]
fn own_rule_stays_when_the_policy_is_replaced() {
    let wall = Wall::built(|guard| {
        guard
            .add_rule(NoDebugging)
            .with_policy(POLICY, "policy.toml")
    });
    for policy in [POLICY.replace(".env", ".git"), POLICY.to_owned()] {
        wall.guard.policy_handle().replace(&policy).unwrap();
        wall.told.take();
        assert_eq!(wall.verdict(debugging("/")), "403 no-debugging");
        assert_eq!(wall.verdict("/"), "200");
    }
}

#[test]
fn what_an_own_rule_learns_bans() {
    let patience = Patience(AtomicU32::new(0));
    let wall = Wall::built(|guard| guard.add_rule(patience).with_policy(POLICY, "policy.toml"));
    for target in ["/missing/a", "/.env", "/", "/missing/b"] {
        assert_eq!(wall.send(target).bans(), [], "{target}");
    }
    let third = wall.send("/missing/c");
    assert_eq!((third.status, third.bans()), (404, vec![BanChange::Placed]));
    let answer = wall.send("/");
    assert_eq!(answer.verdict(), "403 ban/timed");
    let words = answer.words();
    assert!(
        words[0].ends_with("rule ban/timed: banned by rule patience for another 60 s"),
        "{words:?}"
    );
    assert_eq!(wall.verdict(get("/").from("198.51.100.7")), "200");
}

#[test]
fn own_rule_under_a_policy_that_observes_does_nothing() {
    let observing = POLICY.replace("version = 1", "version = 1\nmode = \"observe\"");
    let wall = Wall::built(|guard| {
        guard
            .add_rule(NoDebugging)
            .add_rule(Patience(AtomicU32::new(2)))
            .with_policy(&observing, "policy.toml")
    });
    let answer = wall.send(debugging("/"));
    assert_eq!(answer.verdict(), "200");
    assert!(answer.words()[0].contains("would have been denied (403): rule no-debugging"));
    assert_eq!(wall.send("/missing/a").status, 404);
    assert!(
        wall.banned().is_empty(),
        "nobody is banned for what is only observed"
    );
}
