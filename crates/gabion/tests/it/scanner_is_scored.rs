//! A client that behaves like a scanner is banned, with recorded reasons. Other clients are not.

use gabion_testkit::TestRequest;
use std::{convert::Infallible, time::Duration};

use futures_util::FutureExt as _;
use gabion::{
    event::{BanChange, Event},
    inspect::Clock as _,
    scan::Signals,
};
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::support::in_process::{InProcess, get, guarded};

const POLICY: &str = r#"
    version = 1
    [server]
    hosts = ["localhost", "198.51.100.80"]
    [protocol]
    methods = ["GET", "HEAD", "POST", "PUT", "OPTIONS", "PROPFIND", "TRACK"]
    [scan]
    ban_at = 100
    half_life = "10m"
    [[deny]]
    id = "php"
    extensions = ["php"]
"#;

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// A browser's request.
fn browser(target: &str) -> TestRequest {
    let request = get(target).header("user-agent", BROWSER);
    request
        .header("accept", "*/*")
        .header("accept-language", "en")
}

fn agent(target: &str, agent: &str) -> TestRequest {
    get(target)
        .header("user-agent", agent)
        .header("accept", "*/*")
}

/// A file manager's request, to find out if a path is a share.
fn share(number: usize) -> TestRequest {
    let method = if number.is_multiple_of(2) {
        "OPTIONS"
    } else {
        "PROPFIND"
    };
    browser(&format!("/folder{number}")).method(method)
}

/// Sends one request to a service that answers with `status`.
fn send(server: &InProcess, request: TestRequest, status: u16) -> Vec<BanChange> {
    let answer = Response::builder().status(status);
    let answer = answer.body(Full::<bytes::Bytes>::default()).unwrap();
    let service = service_fn(move |_: Request<()>| {
        let answer = answer.clone();
        async move { Ok::<_, Infallible>(answer) }
    });
    let guarded = server.guard.layer().layer(service);
    let Ok(_) = guarded.oneshot(request.0).now_or_never().unwrap();
    let bans = server
        .events
        .take()
        .into_iter()
        .filter_map(|event| match event {
            Event::Ban(event) => Some(event.change),
            _ => None,
        });
    bans.collect()
}

fn reasons(server: &InProcess) -> Option<Signals> {
    let scores = server.guard.policy_handle().state().scores();
    scores.reasons("203.0.113.9/32".parse().unwrap(), server.clock.now())
}

/// The number of requests until the ban; `None` if fifty do not ban.
fn until_banned(
    server: &InProcess,
    request: impl Fn(usize) -> TestRequest,
    status: u16,
) -> Option<usize> {
    (1..50).find(|&number| send(server, request(number), status).contains(&BanChange::Placed))
}

#[test]
fn each_signal_bans_by_itself_when_it_is_repeated() {
    type Row = (&'static str, fn(usize) -> TestRequest, u16, usize);
    let rows: [Row; 7] = [
        ("probe", |n| browser(&format!("/{n}/.git/config")), 404, 5),
        ("denied", |n| browser(&format!("/{n}.php")), 404, 6),
        ("malformed", |n| browser(&format!("/../{n}")), 404, 2),
        ("scanner", |_| agent("/", "sqlmap/1.8#stable"), 200, 2),
        ("foreign", |n| browser(&format!("/{n}")).host("x"), 404, 9),
        ("method", |_| browser("/").method("TRACK"), 404, 4),
        ("refused", |_| browser("/login").method("PUT"), 401, 30),
    ];
    for (signal, request, status, banned_at) in rows {
        let server = guarded(POLICY);
        let at = until_banned(&server, request, status);
        let signals = reasons(&server).unwrap();
        assert!(
            signals.names().any(|name| name == signal),
            "{signal}: {signals}"
        );
        assert_eq!(at, Some(banned_at), "{signal}: {signals}");
    }
}

#[test]
fn missing_pages_count_from_the_eleventh_on() {
    let server = guarded(POLICY);
    for number in 0..10 {
        send(&server, browser(&format!("/missing{number}")), 404);
    }
    assert_eq!(reasons(&server).unwrap().names().count(), 0);
    let at = until_banned(&server, |n| browser(&format!("/absent{n}")), 404);
    assert!(matches!(at, Some(8..=13)), "{at:?}");
    let names: Vec<_> = reasons(&server).unwrap().names().collect();
    assert_eq!(names, ["missing"]);
}

#[test]
fn honest_requests_are_not_scored() {
    type Row = (&'static str, fn(usize) -> TestRequest, u16);
    let rows: [Row; 16] = [
        ("reads", |n| browser(&format!("/page/{n}")), 200),
        ("webhook", |_| agent("/hook", "Go-http-client/1.1"), 200),
        ("balancer", |_| get("/health").host("198.51.100.80"), 200),
        ("silent monitor", |_| get("/"), 200),
        ("one dead link", |_| browser("/gone"), 404),
        ("broken page", |n| browser(&format!("/img/{n}.png")), 404),
        (
            "phone",
            |n| browser(&format!("/apple-touch-icon-{n}.png")),
            404,
        ),
        ("ended session", |n| browser(&format!("/api/{n}")), 401),
        ("calendar", |_| browser("/dav").method("PROPFIND"), 207),
        ("file manager, service without WebDAV", share, 405),
        ("file manager, path that is missing", share, 404),
        ("file manager, service without its methods", share, 501),
        (
            "file manager, method that is not listed",
            |n| browser(&format!("/{n}")).method("LOCK"),
            200,
        ),
        (
            "socket behind a proxy that drops its half",
            |_| browser("/ws").header("upgrade", "websocket"),
            200,
        ),
        (
            "misspelled header",
            |_| browser("/api").header("user_agent", "mine"),
            200,
        ),
        ("typing errors", |_| browser("/login").method("POST"), 200),
    ];
    for (what, request, status) in rows {
        let server = guarded(POLICY);
        assert_eq!(until_banned(&server, request, status), None, "{what}");
        let score = reasons(&server).map_or(0.0, Signals::score);
        assert!(score < 1.0, "{what}: {score}");
    }
}

#[test]
fn score_halves_with_time() {
    let server = guarded(POLICY);
    for (passed, score) in [(0, 60.0), (10, 90.0), (20, 82.5)] {
        server.clock.advance(Duration::from_mins(passed));
        assert_eq!(send(&server, agent("/", "Nikto"), 200), []);
        assert!((reasons(&server).unwrap().score() - score).abs() < 0.1);
    }
    assert_eq!(send(&server, agent("/", "Nikto"), 200), [BanChange::Placed]);
}

#[test]
fn requests_caused_by_a_page_ban_no_client() {
    let server = guarded(POLICY);
    let image = |n| browser(&format!("/{n}/.env")).header("sec-fetch-site", "cross-site");
    assert_eq!(until_banned(&server, image, 404), None);
    let same = |_| browser("/.env");
    let server = guarded(POLICY);
    assert_eq!(until_banned(&server, same, 404), Some(19), "one path");
}

#[test]
fn exempt_and_allowed_clients_are_not_scored() {
    let allow = "[allow]\nnetworks = ['203.0.113.9']\n";
    let server = guarded(&format!("{POLICY}\n{allow}"));
    let scan = |_| agent("/.env", "sqlmap");
    assert_eq!(until_banned(&server, scan, 404), None);
    assert!(reasons(&server).is_none());
    let server = guarded(POLICY);
    let inside = |_| agent("/.env", "sqlmap").from("127.0.0.1");
    assert_eq!(until_banned(&server, inside, 404), None);
}

#[test]
fn scores_survive_a_reload_that_changes_weights() {
    let server = guarded(POLICY);
    send(&server, agent("/", "Nikto"), 200);
    let weights = "[scan.weights]\nscanner = 39\n";
    server
        .guard
        .policy_handle()
        .replace(&format!("{POLICY}\n{weights}"))
        .unwrap();
    server.events.take();
    assert_eq!(send(&server, agent("/", "Nikto"), 200), [], "60 and 39");
    assert_eq!(send(&server, agent("/", "Nikto"), 200), [BanChange::Placed]);
    let unknown = format!("{POLICY}\n[scan.weights]\nscaner = 1\n");
    let error = server.guard.policy_handle().replace(&unknown).unwrap_err();
    assert!(
        error.to_string().contains("not the name of a signal"),
        "{error}"
    );
}

#[test]
fn scan_in_observe_mode_only_reports() {
    let policy = POLICY.replace("ban_at = 100", "ban_at = 100\nmode = 'observe'");
    let server = guarded(&policy);
    send(&server, agent("/", "Nikto"), 200);
    let changes = send(&server, agent("/", "Nikto"), 200);
    assert_eq!(changes, [BanChange::Observed]);
    assert_eq!(server.verdict("/"), "200");
}
