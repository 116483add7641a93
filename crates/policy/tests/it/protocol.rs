//! What a head may be, chosen in the document.

use std::{sync::Arc, time::Duration};

use gabion_core::{Event, Now, PolicySource, Sink, Verdict};
use gabion_policy::{Document, PolicyError, PolicyHandle, PolicyOptions, SampleRequest, explain};

struct Nobody;

impl Sink for Nobody {
    fn record(&self, _: &Event) {}
}

fn live(text: &str) -> Result<PolicyHandle, PolicyError> {
    PolicyHandle::from_document(text, "policy.toml", PolicyOptions::new(Arc::new(Nobody)))
}

/// The rule that refuses `request`, if any.
fn refuses(policy: &str, request: &str) -> Option<String> {
    let live = live(policy).unwrap();
    let now = Now::new(Duration::ZERO, std::time::UNIX_EPOCH);
    match explain(&live.current(), &SampleRequest::new(request).unwrap(), now).verdict {
        Verdict::Deny(denial) => Some(denial.cause.rule.to_string()),
        _ => None,
    }
}

#[test]
fn section_says_what_is_let_through() {
    let nothing = "version = 1\n";
    assert_eq!(refuses(nothing, "GET /"), None);
    let rule = refuses(nothing, "PROPFIND /");
    assert_eq!(rule.as_deref(), Some("method/unlisted"));
    let methods = "version = 1\n[protocol]\nmethods = ['GET', 'PROPFIND']\n";
    assert_eq!(refuses(methods, "PROPFIND /"), None);
    let rule = refuses(methods, "POST /");
    assert_eq!(rule.as_deref(), Some("method/unlisted"));
    let versions = "version = 1\n[protocol]\nversions = ['2']\n";
    let rule = refuses(versions, "GET /");
    assert_eq!(rule.as_deref(), Some("version/unlisted"));
    let size = "version = 1\n[protocol]\nmax_header_bytes = '8B'\n";
    let rule = refuses(size, "GET /");
    assert_eq!(rule.as_deref(), Some("header/large"));
}

#[test]
fn everything_wrong_is_told_where_it_stands() {
    let text = "\
version = 1
[protocol]
methods = ['GET', 'get', 'CONNECT']
versions = ['1.1', '0.9']
max_headers = 0
max_header_bytes = '32kb'
max_header = 1
";
    let refused = live(text).unwrap_err();
    let told = refused.diagnostics().iter();
    let told: Vec<_> = told
        .map(|one| (one.line(), one.column(), one.message()))
        .collect();
    let expected = [
        (
            3,
            19,
            "`get` is no method: they are written in capitals, such as PROPFIND",
        ),
        (
            3,
            26,
            "`CONNECT` asks for a tunnel; WebSockets over HTTP/2 need no leave",
        ),
        (4, 20, "`0.9` is none of the known values"),
        (5, 15, "invalid value: integer `0`, expected a nonzero u32"),
        (
            6,
            20,
            "`32kb` is no number of bytes such as 512B, 32KiB or 1MiB",
        ),
        (7, 1, "unknown key `max_header`"),
    ];
    for one in expected {
        assert!(told.contains(&one), "{one:?} is not in\n{refused}");
    }
    assert_eq!(told.len(), expected.len(), "{refused}");
}

#[test]
fn section_is_written_as_it_is_read() {
    let text = "version = 1\n[protocol]\nmethods = 'GET'\nversions = ['1.1', '2']\n\
        max_headers = 64\nmax_header_bytes = '16KiB'\n";
    let document = Document::parse(text, "policy.toml").unwrap();
    let written = document.to_string();
    assert_eq!(Document::parse(&written, "again").unwrap(), document);
    assert!(
        written.contains("max_header_bytes = \"16KiB\""),
        "{written}"
    );
    assert!(written.contains("versions = [\"1.1\", \"2\"]"), "{written}");
}
