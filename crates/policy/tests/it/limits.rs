//! Limits in a document: observed unless they say otherwise, and held to it on paper.

use std::{sync::Arc, time::Duration};

use gabion_core::{Event, Mode, Now, PolicySource, Sink, Verdict};
use gabion_policy::{Document, PolicyError, PolicyHandle, PolicyOptions, SampleRequest, explain};

struct Nobody;

impl Sink for Nobody {
    fn record(&self, _: &Event) {}
}

fn live(text: &str) -> Result<PolicyHandle, PolicyError> {
    PolicyHandle::from_document(text, "policy.toml", PolicyOptions::new(Arc::new(Nobody)))
}

fn denied(live: &PolicyHandle) -> Option<Mode> {
    let now = Now::new(Duration::ZERO, std::time::UNIX_EPOCH);
    let probe = SampleRequest::new("GET /").unwrap();
    let judged = explain(&live.current(), &probe, now);
    match judged.verdict {
        Verdict::Deny(denial) => Some(denial.mode),
        _ => judged.observed.first().map(|denial| denial.mode),
    }
}

/// Uses up a budget of one, as a request would.
fn ask(live: &PolicyHandle) {
    let host = (
        http::header::HOST,
        http::HeaderValue::from_static(SampleRequest::HOST),
    );
    let headers = http::HeaderMap::from_iter([host]);
    let uri = http::Uri::from_static("/");
    let head = gabion_core::Head {
        method: &http::Method::GET,
        uri: &uri,
        version: http::Version::HTTP_2,
        headers: &headers,
        protocol: None,
        framing: gabion_core::Framing::AsShown,
        scheme: gabion_core::Scheme::Plain,
    };
    let peer = std::net::SocketAddr::new(SampleRequest::FROM, 0).into();
    let now = Now::new(Duration::ZERO, std::time::UNIX_EPOCH);
    let snapshot = live.current();
    let facts = gabion_core::Facts::resolve(head, peer, &snapshot.client, now);
    let mut state = gabion_core::RequestState::new(&facts);
    snapshot.chain.inspect(&facts, &mut state);
}

#[test]
fn limit_observes_unless_it_says_otherwise() {
    for (mode, rule, acts) in [
        ("enforce", "", Some(Mode::Observe)),
        ("observe", "", Some(Mode::Observe)),
        ("enforce", "mode = 'enforce'", Some(Mode::Enforce)),
        ("observe", "mode = 'enforce'", Some(Mode::Enforce)),
    ] {
        let text =
            format!("version = 1\nmode = '{mode}'\n[[limit]]\nid = 'x'\nrate = '1/h'\n{rule}\n");
        let live = live(&text).unwrap();
        assert_eq!(denied(&live), None, "{text}");
        assert_eq!(denied(&live), None, "asking on paper costs nothing");
        ask(&live);
        assert_eq!(denied(&live), acts, "{text}");
    }
}

#[test]
fn every_case_finds_a_full_budget() {
    let cases = "[[expect]]\nrequest = '/'\nverdict = 'pass'\n".repeat(3);
    let limit = "[[limit]]\nid = 'x'\nrate = '1/h'\nmode = 'enforce'\n";
    live(&format!("version = 1\n{limit}{cases}")).unwrap();
}

#[test]
fn everything_wrong_with_a_limit_is_told_where_it_stands() {
    let text = "\
version = 1
[[limit]]
id = 'a b'
rate = '20/s'
key = ['client', 'ip']
[[limit]]
id = 'slow'
rate = '20 per second'
[[limit]]
id = 'dear'
rate = '2/s'
cost = 3
paths = ['login']
[[limit]]
id = 'what'
rate = '1/s'
rates = '1/s'
";
    let refused = live(text).unwrap_err();
    let told = refused.diagnostics().iter();
    let told: Vec<_> = told
        .map(|one| (one.line(), one.column(), one.message()))
        .collect();
    let key =
        "`ip` is none of client, prefix, header:NAME, cookie:NAME, path, path:N, host, global";
    let expected = [
        (
            8,
            8,
            "`20 per second` is no rate such as 20/s, 1000/h or 3/10m",
        ),
        (17, 1, "unknown key `rates`"),
        (
            3,
            6,
            "`a b` cannot name a rule: 1 to 64 of a-z, A-Z, 0-9, `-`, `_`, `.`, `/` are needed",
        ),
        (5, 18, key),
        (
            13,
            10,
            "`login` is not a path that a rule can match: it must begin with /",
        ),
        (12, 8, "`3` is more than there ever is"),
    ];
    for one in expected {
        assert!(told.contains(&one), "{one:?} is not in\n{refused}");
    }
    assert_eq!(told.len(), expected.len(), "{refused}");
}

#[test]
fn limits_are_written_as_they_are_read() {
    let text = "version = 1\n[[limit]]\nid = 'x'\nkey = ['client', 'path:1']\nrate = '3/10m'\n\
        burst = 9\nstatuses = [401]\nmode = 'enforce'\nshow = true\n";
    let document = Document::parse(text, "policy.toml").unwrap();
    let again = Document::parse(&document.to_string(), "again").unwrap();
    assert_eq!(document, again);
    assert!(
        document.to_string().contains("rate = \"3/10m\""),
        "{document}"
    );
}
