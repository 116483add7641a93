//! A new policy judges new requests. Bans stay, and a request in progress ends under its old
//! policy.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use gabion::{
    Facts, Inspect, RequestState, Verdict,
    ban::Offense,
    event::Event,
    inspect::{Findings, Outcome, RuleId},
};
use gabion_core::PolicySource;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tokio::sync::Notify;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::in_process::{build_guarded, get, guarded, probe};

const OLD: &str = r#"
    version = 1
    [[deny]]
    id = "old"
    exact = ["/old"]
    then = "ban 10m"
"#;
const NEW: &str = r#"
    version = 1
    [client]
    private = true
    [[deny]]
    id = "new"
    exact = ["/new"]
    then = "ban 1h"
"#;

#[test]
fn timed_ban_survives_every_reload() {
    let server = guarded(OLD);
    server.send(probe("/old"));
    for (policy, elsewhere) in [(NEW, "/new"), (OLD, "/old")] {
        server.guard.policy_handle().replace(policy).unwrap();
        server.events.take();
        assert_eq!(server.verdict("/"), "403 ban/timed");
        assert_ne!(
            server.verdict(probe(elsewhere).from("198.51.100.7")),
            "200",
            "and it is in force"
        );
        server.guard.bans().unban("198.51.100.7".parse().unwrap());
        server.clock.advance(Duration::from_mins(4));
    }
    server.clock.advance(Duration::from_mins(2));
    assert_eq!(server.verdict("/"), "200", "it ends when it would have");
}

#[test]
fn generation_counts_policies_and_is_in_events() {
    let server = guarded(OLD);
    for (generation, policy, target) in [(1, NEW, "/new"), (2, OLD, "/old"), (3, OLD, "/old")] {
        let replaced = server.guard.policy_handle().replace(policy).unwrap();
        assert_eq!(replaced.generation, generation);
        let words = format!("policy {generation} in force, 1 rules");
        assert_eq!(server.events.take_texts(), [words]);
        let client = format!("198.51.100.{generation}");
        match server.send(get(target).from(&client)).events.first() {
            Some(Event::Request(event)) => assert_eq!(event.generation, generation),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(server.guard.policy_handle().current().generation, 3);
}

/// Bans the client of every 404 response.
struct NotFound;

impl Inspect for NotFound {
    fn name(&self) -> &'static str {
        "not-found"
    }

    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    fn on_response(&self, _: &RequestState, outcome: &Outcome<'_>, findings: &mut Findings) {
        if outcome.status == StatusCode::NOT_FOUND {
            let rule = RuleId::builtin("not-found");
            findings.report_offense(Offense::certain(rule, Duration::from_mins(1)));
        }
    }
}

#[test]
fn request_ends_under_the_policy_it_began_with() {
    let server = build_guarded(|guard| guard.add_rule(NotFound).with_policy(OLD, "policy.toml"));
    let answers = Notify::new();
    let slow = service_fn(|_: Request<()>| async {
        answers.notified().await;
        let response = Response::builder().status(404);
        Ok::<_, Infallible>(response.body(Empty::<Bytes>::new()).unwrap())
    });
    let guarded = server.guard.layer().layer(slow);
    let private = || probe("/new").from("192.168.1.1");

    let mut begun = Box::pin(guarded.oneshot(private().0));
    assert!(
        begun.as_mut().now_or_never().is_none(),
        "the service has not answered yet"
    );
    server.guard.policy_handle().replace(NEW).unwrap();
    server.events.take();
    answers.notify_one();
    let Ok(response) = begun.now_or_never().expect("the service has answered");
    assert_eq!(
        response.status(),
        404,
        "the old policy lets it ask for /new"
    );
    let texts = server.events.take_texts();
    let why = "192.168.1.1/32 not banned (rule not-found): the client has a private address";
    assert!(
        texts.len() == 1 && texts[0].starts_with(why),
        "the old policy exempts it: {texts:?}"
    );

    let denied = server.send(private());
    assert_eq!(
        (denied.verdict().as_str(), denied.bans().len()),
        ("403 new", 1)
    );
    assert_eq!(
        server.verdict(private()),
        "403 ban/timed",
        "the new policy does not"
    );
}
