//! A panic of a rule or a reply costs one request at most, and is told.

use bytes::Bytes;
use futures_util::FutureExt as _;
use gabion::{Denial, Facts, Inspect, RequestState, Verdict, ban::Offense, inspect::Outcome};
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::in_process::{self, Ask, Wall, get};

/// Panics where its header says so.
struct Trap;

impl Inspect for Trap {
    fn name(&self) -> &'static str {
        "trap"
    }

    fn inspect(&self, facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        match facts.headers.get("x-trap") {
            Some(words) => panic!("trapped by {}", words.to_str().unwrap()),
            None => Verdict::Pass,
        }
    }
}

/// Panics over what was not found.
struct SoreLoser;

impl Inspect for SoreLoser {
    fn name(&self) -> &'static str {
        "sore-loser"
    }

    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    fn on_response(&self, _trace: &RequestState, outcome: &Outcome<'_>) -> Option<Offense> {
        assert!(
            outcome.status.is_success(),
            "lost:\n{}",
            outcome.status.as_u16()
        );
        None
    }
}

const POLICY: &str = r#"
    version = 1
    on_fault = "ON_FAULT"
    [[deny]]
    id = "dotfiles"
    names = [".env"]
"#;

fn wall(on_fault: &str, rule: impl Inspect + 'static) -> Wall {
    let policy = POLICY.replace("ON_FAULT", on_fault);
    Wall::built(|guard| guard.add_rule(rule).with_policy(&policy, "policy.toml"))
}

fn trapped(words: &str) -> Ask {
    get("/").header("x-trap", words)
}

#[test]
fn panic_while_judging_is_answered_as_on_fault_says_and_told() {
    for (on_fault, verdict) in [("refuse", "503"), ("pass", "200")] {
        let wall = wall(on_fault, Trap);
        let answer = wall.send(trapped("a header"));
        assert_eq!(answer.verdict(), verdict);
        let words = "203.0.113.9 GET / panic while handling the request: trapped by a header";
        assert_eq!(answer.words(), [words]);
        assert_eq!(wall.verdict("/"), "200", "the next request");
        assert_eq!(wall.verdict("/.env"), "403 dotfiles", "the rules behind it");
    }
}

#[test]
fn words_of_a_panic_are_told_escaped() {
    let answer = wall("refuse", Trap).send(trapped("a \"quote\"\tand \\"));
    let told = answer.words();
    assert!(
        told[0].ends_with(r"trapped by a \x22quote\x22\x09and \x5c"),
        "{told:?}"
    );
}

#[test]
fn panic_while_learning_leaves_the_answer_and_is_told() {
    let wall = wall("refuse", SoreLoser);
    for (target, verdict, told) in [
        ("/", "200", &[][..]),
        (
            "/missing",
            "404",
            &[r"203.0.113.9 panic in an inspector: lost:\x0a404"],
        ),
        ("/", "200", &[]),
    ] {
        let answer = wall.send(target);
        assert_eq!(answer.verdict(), verdict, "{target}");
        assert_eq!(answer.words(), told, "{target}");
    }
    let denied = wall.send("/.env");
    assert_eq!(
        denied.verdict(),
        "403 dotfiles",
        "a denial is learned from too"
    );
    let told = denied.words();
    assert_eq!(told[1], r"203.0.113.9 panic in an inspector: lost:\x0a403");
}

#[test]
fn panic_of_a_reply_refuses_in_plain_words_and_is_told() {
    let wall = wall("refuse", Trap);
    let moody = |_: &Denial, _: &Facts<'_>| -> Response<Bytes> { panic!("not today") };
    let layer = wall.guard.layer().with_reply(moody);
    let service = service_fn(|request: Request<()>| {
        let response = in_process::inner(&request);
        async move { Ok::<_, std::convert::Infallible>(response) }
    });
    let response = layer.layer(service).oneshot(get("/.env").0).now_or_never();
    let Ok(response) = response.unwrap();
    assert_eq!(response.status(), 403);
    let told = wall.told.take_words();
    let [fault, denial] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(
        fault.ends_with("panic while handling the request: not today"),
        "{fault}"
    );
    assert!(denial.contains("rule dotfiles: "), "{denial}");
}
