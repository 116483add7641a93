//! A probe that the service answers as if it had what was asked for, or stumbles over, is told
//! apart from the thousands that find nothing.

use std::convert::Infallible;

use futures_util::FutureExt as _;
use gabion::Event;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::support::in_process::{Ask, Wall, get};

const POLICY: &str = r#"
    version = 1
    [scan]
    mode = "observe"
    [[deny]]
    id = "backups"
    extensions = ["sql"]
    mode = "observe"
    [[deny]]
    id = "php"
    extensions = ["php"]
"#;

/// The words that are told of a request, where the service answers so.
fn probe_hit(wall: &Wall, ask: impl Into<Ask>, status: u16, body: &'static str) -> Vec<String> {
    let service = service_fn(move |_: Request<()>| async move {
        let mut response = Response::new(Full::<bytes::Bytes>::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Ok::<_, Infallible>(response)
    });
    let guarded = wall.guard.layer().layer(service);
    let Ok(_) = guarded.oneshot(ask.into().0).now_or_never().unwrap();
    let told = wall.told.take().into_iter();
    let told = told.filter(|event| matches!(event, Event::ProbeHit(_)));
    told.map(|event| event.to_string()).collect()
}

#[test]
fn answer_to_a_known_probe_or_an_observed_rule_is_told() {
    let wall = Wall::of(POLICY);
    assert_eq!(
        probe_hit(&wall, "/api/.env", 200, "SECRET=1"),
        [
            "203.0.113.9: the server answered 200 to a probe: GET /api/.env; rule scan/probe: path \
             contains .env (path as sent)"
        ]
    );
    assert_eq!(probe_hit(&wall, "/.git/config", 500, "oops").len(), 1);
    let told = probe_hit(&wall, "/dump.sql", 206, "insert");
    let words = "the server answered 206 to a probe: GET /dump.sql; rule backups: ";
    assert!(told[0].contains(words), "{told:?}");
}

#[test]
fn what_found_nothing_is_not_told() {
    let wall = Wall::of(POLICY);
    for (target, status) in [
        ("/.env", 404),
        ("/.env", 302),
        ("/.env", 403),
        ("/dump.sql", 404),
        ("/x.php", 200),
        ("/", 200),
        ("/", 500),
    ] {
        let told = probe_hit(&wall, target, status, "page");
        assert_eq!(told, [""; 0], "{target} {status}");
    }
}

#[test]
fn service_that_answers_anything_alike_is_told_apart() {
    const PAGE: &str = "<div id=app></div>";
    let wall = Wall::of(POLICY);
    for page in ["/", "/login", "/about"] {
        probe_hit(&wall, page, 200, PAGE);
    }
    for probe in ["/.env", "/.git/config", "/dump.sql"] {
        assert_eq!(probe_hit(&wall, probe, 200, PAGE), [""; 0], "{probe}");
    }
    assert_eq!(
        probe_hit(&wall, "/.env", 200, "SECRET=1").len(),
        1,
        "another"
    );
}

#[test]
fn it_learns_from_probes_alone() {
    let wall = Wall::of(POLICY);
    let told = |n: usize| probe_hit(&wall, &*format!("/{n}/.env"), 200, "not here").len();
    assert_eq!((0..6).map(told).collect::<Vec<_>>(), [1, 1, 0, 0, 0, 0]);
}

#[test]
fn answer_to_one_page_often_is_not_an_answer_to_anything() {
    let wall = Wall::of(POLICY);
    for _ in 0..10 {
        probe_hit(&wall, "/", 200, "SECRET=1");
        probe_hit(&wall, get("/api").method("POST"), 200, "SECRET=1");
        probe_hit(&wall, "/app.js", 200, "SECRET=1");
    }
    assert_eq!(probe_hit(&wall, "/.env", 200, "SECRET=1").len(), 1);
}
