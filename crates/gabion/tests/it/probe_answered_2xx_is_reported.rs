//! A probe that the service answers with a success or a server error is reported separately from
//! the thousands that find nothing.

use gabion_testkit::TestRequest;
use std::convert::Infallible;

use futures_util::FutureExt as _;
use gabion::event::Event;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::support::in_process::{InProcess, get, guarded};

const POLICY: &str = r#"
    version = 1
    [scan]
    mode = "observe"
    [[deny]]
    id = "never/own"
    names = ["own-secret"]
    mode = "observe"
    [[deny]]
    id = "wordpress"
    prefix = ["/wp-admin"]
    mode = "observe"
    [[deny]]
    id = "php"
    extensions = ["php"]
"#;

/// The probe hit events of a request that the service answers with this status and body.
fn probe_hits(
    server: &InProcess,
    request: impl Into<TestRequest>,
    status: u16,
    body: &'static str,
) -> Vec<String> {
    let service = service_fn(move |_: Request<()>| async move {
        let mut response = Response::new(Full::<bytes::Bytes>::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Ok::<_, Infallible>(response)
    });
    let guarded = server.guard.layer().layer(service);
    let Ok(_) = guarded.oneshot(request.into().0).now_or_never().unwrap();
    let hits = server.events.take().into_iter();
    let hits = hits.filter(|event| matches!(event, Event::ProbeHit(_)));
    hits.map(|event| event.to_string()).collect()
}

#[test]
fn response_to_a_known_probe_or_an_observed_rule_is_reported() {
    let server = guarded(POLICY);
    assert_eq!(
        probe_hits(&server, "/api/.env", 200, "SECRET=1"),
        [
            "203.0.113.9: the server answered 200 to a probe: GET \"/api/.env\"; rule scan/probe: path \
             contains `.env` (path as sent)"
        ]
    );
    assert_eq!(probe_hits(&server, "/.git/config", 500, "oops").len(), 1);
    let hits = probe_hits(&server, "/x/own-secret", 206, "insert");
    assert!(
        hits[0].contains(
            "the server answered 206 to a probe: GET \"/x/own-secret\"; rule never/own: "
        ),
        "{hits:?}"
    );
}

#[test]
fn file_left_by_accident_is_reported() {
    for target in [
        "/.env.azure",
        "/config.json.old",
        "/.htaccess",
        "/a/.npmrc",
        "/index.php~",
        "/dump.sql",
        "/backup.zip",
        "/page.html.tar.gz",
        "/x/%2edockercfg",
    ] {
        let hits = probe_hits(&guarded(POLICY), target, 200, "SECRET=1");
        assert_eq!(hits.len(), 1, "{target}");
    }
    for target in [
        "/.well-known/security.txt",
        "/.well-known",
        "/releases/app-1.2.zip",
        "/data.tar.gz",
        "/.netlify/functions/x",
        "/wp-login.php",
        "/readme.old.html",
    ] {
        let hits = probe_hits(&guarded(POLICY), target, 200, "page");
        assert_eq!(hits, [""; 0], "{target}");
    }
    let upload = get("/dav/.file").method("PUT");
    assert_eq!(probe_hits(&guarded(POLICY), upload, 201, ""), [""; 0]);
}

#[test]
fn probe_that_finds_nothing_is_not_reported() {
    let server = guarded(POLICY);
    for (target, status) in [
        ("/.env", 404),
        ("/.env", 302),
        ("/.env", 403),
        ("/dump.sql", 404),
        ("/.env", 502),
        ("/wp-admin/users", 200),
        ("/.env", 503),
        ("/.env", 504),
        ("/x.php", 200),
        ("/", 200),
        ("/", 500),
    ] {
        let hits = probe_hits(&server, target, status, "page");
        assert_eq!(hits, [""; 0], "{target} {status}");
    }
}

#[test]
fn service_that_answers_every_path_is_recognized() {
    const PAGE: &str = "<div id=app></div>";
    let server = guarded(POLICY);
    for page in ["/", "/login", "/about"] {
        probe_hits(&server, page, 200, PAGE);
    }
    for probe in ["/.env", "/.git/config", "/dump.sql"] {
        assert_eq!(probe_hits(&server, probe, 200, PAGE), [""; 0], "{probe}");
    }
    assert_eq!(
        probe_hits(&server, "/.env", 200, "SECRET=1").len(),
        1,
        "another"
    );
}

#[test]
fn only_probes_are_counted() {
    let server = guarded(POLICY);
    let hits = |n: usize| probe_hits(&server, &*format!("/{n}/.env"), 200, "not here").len();
    assert_eq!((0..6).map(hits).collect::<Vec<_>>(), [1, 1, 0, 0, 0, 0]);
}

#[test]
fn frequent_response_of_one_page_is_not_taken_for_a_catch_all() {
    let server = guarded(POLICY);
    for _ in 0..10 {
        probe_hits(&server, "/", 200, "SECRET=1");
        probe_hits(&server, get("/api").method("POST"), 200, "SECRET=1");
        probe_hits(&server, "/app.js", 200, "SECRET=1");
    }
    assert_eq!(probe_hits(&server, "/.env", 200, "SECRET=1").len(), 1);
}
