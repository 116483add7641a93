//! Response headers of limits: the remaining budget, and the time to retry.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so and stop"
)]

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use gabion_core::{ClientRules, Denial, Facts, Mode};
use gabion_inspect::{Config as _, Context, State};
use gabion_inspect::{LimitRule, LimitTable};
use gabion_testkit::{ManualClock, peer};
use gabion_tower::{GuardBody, GuardLayer};
use http::{Request, Response, request::Builder};
use http_body::Body as _;
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};

type Answer = Response<GuardBody<Full<Bytes>>>;

/// An enforced limit per client.
fn rule(id: &str, rate: &str) -> LimitRule {
    LimitRule::new(id, rate.parse().unwrap()).mode(Mode::Enforce)
}

fn shown(id: &str, rate: &str) -> LimitRule {
    rule(id, rate).show()
}

fn layer(rules: &[LimitRule]) -> GuardLayer {
    let limit = rules
        .compile(&Context::new(
            &State::scratch().with_limits(LimitTable::new(100)),
        ))
        .unwrap();
    GuardLayer::new(limit, ClientRules::default()).with_clock(Arc::new(ManualClock::default()))
}

async fn send(layer: &GuardLayer, request: Builder) -> Answer {
    let service = service_fn(|_: Request<()>| async {
        let response = Response::builder().header("ratelimit", "\"own\";r=1;t=1");
        Ok::<_, Infallible>(response.body(Full::new(Bytes::from("inner"))).unwrap())
    });
    let request = request.extension(peer("203.0.113.9")).body(()).unwrap();
    let Ok(response) = layer.layer(service).oneshot(request).await;
    response
}

fn get() -> Builder {
    Request::get("/")
}

fn header<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    let values = answer.headers().get_all(name).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn remaining_budget_is_in_every_response() {
    let layer = layer(&[
        shown("short", "2/s"),
        shown("long", "100/6m"),
        rule("secret", "1000/h"),
    ]);
    let policy = r#""short";q=2;w=1, "long";q=100;w=360"#;
    let own = r#""own";r=1;t=1"#;
    for left in [
        r#""short";r=1;t=1, "long";r=99;t=4"#,
        r#""short";r=0;t=1, "long";r=98;t=8"#,
    ] {
        let answer = send(&layer, get()).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "ratelimit-policy"), [policy]);
        assert_eq!(
            header(&answer, "ratelimit"),
            [own, left],
            "next to the header of the service"
        );
        assert!(header(&answer, "retry-after").is_empty());
    }
    let answer = send(&layer, get()).await;
    assert_eq!(answer.status(), 429);
    let wait = header(&answer, "retry-after")[0];
    assert!(
        ["1", "2"].contains(&wait),
        "half a second and up to one more: {wait}"
    );
    let left = format!("\"short\";r=0;t={wait}");
    assert_eq!(
        header(&answer, "ratelimit"),
        [left.as_str()],
        "both have the same time"
    );
}

#[tokio::test]
async fn nothing_is_disclosed_unless_a_limit_is_shown() {
    let layer = layer(&[rule("login", "1/h")]);
    for status in [200, 429] {
        let answer = send(&layer, get()).await;
        assert_eq!(answer.status(), status);
        assert!(header(&answer, "ratelimit-policy").is_empty());
    }
}

#[tokio::test]
async fn retry_after_is_in_custom_replies() {
    let reply = |_: &Denial, _: &Facts<'_>| Response::new(Bytes::from("come back later"));
    let layer = layer(&[rule("x", "1/m")]).with_reply(reply);
    send(&layer, get()).await;
    let answer = send(&layer, get()).await;
    let wait: u64 = header(&answer, "retry-after")[0].parse().unwrap();
    assert!(
        (60..=75).contains(&wait),
        "a minute and up to a quarter: {wait}"
    );
}

#[tokio::test]
async fn page_of_another_origin_can_read_retry_after() {
    let limit = [rule("x", "1/m")];
    let from_page = || get().header("origin", "https://app.example");
    let open = layer(&limit);
    let passed = send(&open, from_page()).await;
    assert!(
        header(&passed, "access-control-allow-origin").is_empty(),
        "left to the service"
    );
    let answer = send(&open, from_page()).await;
    assert_eq!(header(&answer, "access-control-allow-origin"), ["*"]);
    assert_eq!(
        header(&answer, "access-control-expose-headers"),
        ["Retry-After"]
    );
    let same_site = send(&open, get()).await;
    assert!(header(&same_site, "access-control-allow-origin").is_empty());

    let reply = |_: &Denial, _: &Facts<'_>| {
        let ours = ("access-control-allow-origin", "https://app.example");
        Response::builder()
            .header(ours.0, ours.1)
            .body(Bytes::new())
            .unwrap()
    };
    let own = layer(&limit).with_reply(reply);
    send(&own, from_page()).await;
    let answer = send(&own, from_page()).await;
    assert_eq!(
        header(&answer, "access-control-allow-origin"),
        ["https://app.example"]
    );
}

#[tokio::test]
async fn grpc_gets_a_grpc_status() {
    for (kind, grpc) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc-web-text", true),
        ("application/grpcish", false),
        ("application/json", false),
    ] {
        let layer = layer(&[rule("x", "1/m")]);
        let call = || Request::post("/pkg.Service/Method").header("content-type", kind);
        assert_eq!(send(&layer, call()).await.status(), 200);
        let answer = send(&layer, call()).await;
        assert!(answer.headers().contains_key("retry-after"));
        if grpc {
            assert_eq!(answer.status(), 200, "{kind}");
            assert_eq!(header(&answer, "grpc-status"), ["8"], "RESOURCE_EXHAUSTED");
            assert!(header(&answer, "grpc-message")[0].starts_with("Too Many Requests, event "));
            assert_eq!(header(&answer, "content-type"), [kind]);
            assert!(answer.body().is_end_stream(), "no message, no trailers");
        } else {
            assert_eq!(answer.status(), 429, "{kind}");
            assert!(header(&answer, "grpc-status").is_empty());
        }
    }
}
