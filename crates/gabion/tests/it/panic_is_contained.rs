//! A panic of a rule or a reply costs at most one request, and is reported.

use bytes::Bytes;
use futures_util::FutureExt as _;
use gabion::{
    Denial, Facts, Inspect, RequestState, Verdict,
    inspect::{Findings, Outcome},
};
use gabion_testkit::TestRequest;
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::in_process::{InProcess, build_guarded, get};

/// Panics if the request has its header.
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

/// Panics in `on_response` for a 404 response.
struct PanicsOn404;

impl Inspect for PanicsOn404 {
    fn name(&self) -> &'static str {
        "sore-loser"
    }

    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    fn on_response(&self, _: &RequestState, outcome: &Outcome<'_>, _: &mut Findings) {
        assert!(
            outcome.status.is_success(),
            "lost:\n{}",
            outcome.status.as_u16()
        );
    }
}

const POLICY: &str = r#"
    version = 1
    on_fault = "ON_FAULT"
    [[deny]]
    id = "dotfiles"
    names = [".env"]
"#;

fn server(on_fault: &str, rule: impl Inspect + 'static) -> InProcess {
    let policy = POLICY.replace("ON_FAULT", on_fault);
    build_guarded(|guard| guard.add_rule(rule).with_policy(&policy, "policy.toml"))
}

fn trapped(words: &str) -> TestRequest {
    get("/").header("x-trap", words)
}

#[test]
fn panic_while_judging_is_handled_by_on_fault_and_reported() {
    for (on_fault, verdict) in [("refuse", "503"), ("pass", "200")] {
        let server = server(on_fault, Trap);
        let answer = server.send(trapped("a header"));
        assert_eq!(answer.verdict(), verdict);
        let words =
            "203.0.113.9 GET \"/\" panic while handling the request: \"trapped by a header\"";
        assert_eq!(answer.event_texts(), [words]);
        assert_eq!(server.verdict("/"), "200", "the next request");
        assert_eq!(
            server.verdict("/.env"),
            "403 dotfiles",
            "the rules behind it"
        );
    }
}

#[test]
fn panic_message_is_escaped() {
    let answer = server("refuse", Trap).send(trapped("a \"quote\"\tand \\"));
    let texts = answer.event_texts();
    assert!(
        texts[0].ends_with(r#""trapped by a \x22quote\x22\x09and \x5c""#),
        "{texts:?}"
    );
}

#[test]
fn panic_in_on_response_keeps_the_response_and_is_reported() {
    let server = server("refuse", PanicsOn404);
    for (target, verdict, texts) in [
        ("/", "200", &[][..]),
        (
            "/missing",
            "404",
            &[r#"203.0.113.9 panic in an inspector: "lost:\x0a404""#],
        ),
        ("/", "200", &[]),
    ] {
        let answer = server.send(target);
        assert_eq!(answer.verdict(), verdict, "{target}");
        assert_eq!(answer.event_texts(), texts, "{target}");
    }
    let denied = server.send("/.env");
    assert_eq!(
        denied.verdict(),
        "403 dotfiles",
        "a denial is learned from too"
    );
    let texts = denied.event_texts();
    assert_eq!(
        texts[1],
        r#"203.0.113.9 panic in an inspector: "lost:\x0a403""#
    );
}

#[test]
fn panic_of_a_reply_refuses_with_the_default_text_and_is_reported() {
    let server = server("refuse", Trap);
    let panicking = |_: &Denial, _: &Facts<'_>| -> Response<Bytes> { panic!("not today") };
    let layer = server.guard.layer().with_reply(panicking);
    let service = service_fn(|request: Request<()>| {
        let response = InProcess::inner(&request);
        async move { Ok::<_, std::convert::Infallible>(response) }
    });
    let response = layer.layer(service).oneshot(get("/.env").0).now_or_never();
    let Ok(response) = response.unwrap();
    assert_eq!(response.status(), 403);
    let texts = server.events.take_texts();
    let [fault, denial] = &texts[..] else {
        panic!("{texts:?}");
    };
    assert!(
        fault.ends_with("panic while handling the request: \"not today\""),
        "{fault}"
    );
    assert!(denial.contains("rule dotfiles: "), "{denial}");
}
