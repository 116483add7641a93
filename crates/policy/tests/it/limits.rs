//! `[[limit]]` rules: their default mode, explanation and errors.

use std::{sync::Arc, time::Duration};

use gabion_core::{Event, Mode, Now, PolicySource, Sink, Verdict};
use gabion_policy::{Document, PolicyError, PolicyHandle, PolicyOptions, SampleRequest, explain};

struct NoEvents;

impl Sink for NoEvents {
    fn record(&self, _: &Event) {}
}

fn compile(text: &str) -> Result<PolicyHandle, PolicyError> {
    PolicyHandle::from_document(text, "policy.toml", PolicyOptions::new(Arc::new(NoEvents)))
}

fn denied(policy: &PolicyHandle) -> Option<Mode> {
    let now = Now::new(Duration::ZERO, std::time::UNIX_EPOCH);
    let request = SampleRequest::new("GET /").unwrap();
    let explained = explain(&policy.current(), &request, now);
    match explained.verdict {
        Verdict::Deny(denial) => Some(denial.mode),
        _ => explained.observed.first().map(|denial| denial.mode),
    }
}

/// Judges one request, which takes one token.
fn send_request(policy: &PolicyHandle) {
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
    let snapshot = policy.current();
    let facts = gabion_core::Facts::resolve(head, peer, &snapshot.client, now);
    let mut state = gabion_core::RequestState::new(&facts);
    snapshot.chain.inspect(&facts, &mut state);
}

#[test]
fn limit_observes_unless_its_own_mode_is_enforce() {
    for (mode, rule, denial_mode) in [
        ("enforce", "", Some(Mode::Observe)),
        ("observe", "", Some(Mode::Observe)),
        ("enforce", "mode = 'enforce'", Some(Mode::Enforce)),
        ("observe", "mode = 'enforce'", Some(Mode::Enforce)),
    ] {
        let text =
            format!("version = 1\nmode = '{mode}'\n[[limit]]\nid = 'x'\nrate = '1/h'\n{rule}\n");
        let policy = compile(&text).unwrap();
        assert_eq!(denied(&policy), None, "{text}");
        assert_eq!(denied(&policy), None, "explaining takes no tokens");
        send_request(&policy);
        assert_eq!(denied(&policy), denial_mode, "{text}");
    }
}

#[test]
fn every_expect_test_starts_with_the_full_burst() {
    let cases = "[[expect]]\nrequest = '/'\nverdict = 'pass'\n".repeat(3);
    let limit = "[[limit]]\nid = 'x'\nrate = '1/h'\nmode = 'enforce'\n";
    compile(&format!("version = 1\n{limit}{cases}")).unwrap();
}

#[test]
fn errors_of_a_limit_are_reported_at_their_positions() {
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
    let error = compile(text).unwrap_err();
    let diagnostics = error.diagnostics().iter();
    let diagnostics: Vec<_> = diagnostics
        .map(|diagnostic| (diagnostic.line(), diagnostic.column(), diagnostic.message()))
        .collect();
    let key = "invalid value `ip`: write `client`, `prefix`, `header:NAME`, `cookie:NAME`, `path`, `path:N`, `host` or `global`";
    let expected = [
        (8, 8, "invalid rate `20 per second`: write `20/s`"),
        (17, 1, "unknown key `rates`; did you mean `rate`?"),
        (
            3,
            6,
            "invalid rule id `a b`: use 1 to 64 characters of a-z, A-Z, 0-9, `-`, `_`, `.`, `/`",
        ),
        (5, 18, key),
        (13, 10, "invalid path `login`: it must begin with `/`"),
        (
            12,
            8,
            "invalid value `3`: more than the burst, so that no request would pass",
        ),
    ];
    for diagnostic in expected {
        assert!(
            diagnostics.contains(&diagnostic),
            "{diagnostic:?} is not in\n{error}"
        );
    }
    assert_eq!(diagnostics.len(), expected.len(), "{error}");
}

#[test]
fn printed_limits_parse_to_the_same_limits() {
    let text = "version = 1\n[[limit]]\nid = 'x'\nkey = ['client', 'path:1']\nrate = '3/10m'\n\
        burst = 9\nstatuses = [401]\nmode = 'enforce'\nshow = true\n\
        [[limit]]\nid = 'y'\nrate = '1/s'\nthen = 'ban 1h 30m'\n";
    let document = Document::parse(text, "policy.toml").unwrap();
    let again = Document::parse(&document.to_string(), "again").unwrap();
    assert_eq!(document, again);
    let printed = document.to_string();
    for line in ["rate = \"3/10m\"", "then = \"ban 1h 30m\""] {
        assert_eq!(printed.matches(line).count(), 1, "{document}");
    }
    assert!(
        !printed.contains("then = \"429\""),
        "the default: {document}"
    );
}
