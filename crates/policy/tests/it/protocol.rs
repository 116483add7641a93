//! The `[protocol]` section.

use std::{sync::Arc, time::Duration};

use gabion_core::{Event, Now, PolicySource, Sink, Verdict};
use gabion_policy::{Document, PolicyError, PolicyHandle, PolicyOptions, SampleRequest, explain};

struct NoEvents;

impl Sink for NoEvents {
    fn record(&self, _: &Event) {}
}

fn compile(text: &str) -> Result<PolicyHandle, PolicyError> {
    PolicyHandle::from_document(text, "policy.toml", PolicyOptions::new(Arc::new(NoEvents)))
}

/// The rule that refuses `request`, if any.
fn denying_rule(policy: &str, request: &str) -> Option<String> {
    let policy = compile(policy).unwrap();
    let now = Now::new(Duration::ZERO, std::time::UNIX_EPOCH);
    match explain(
        &policy.current(),
        &SampleRequest::new(request).unwrap(),
        now,
    )
    .verdict
    {
        Verdict::Deny(denial) => Some(denial.cause.rule.to_string()),
        _ => None,
    }
}

#[test]
fn section_configures_methods_versions_and_sizes() {
    let nothing = "version = 1\n";
    assert_eq!(denying_rule(nothing, "GET /"), None);
    let rule = denying_rule(nothing, "PROPFIND /");
    assert_eq!(rule.as_deref(), Some("method/unlisted"));
    let methods = "version = 1\n[protocol]\nmethods = ['GET', 'PROPFIND']\n";
    assert_eq!(denying_rule(methods, "PROPFIND /"), None);
    let rule = denying_rule(methods, "POST /");
    assert_eq!(rule.as_deref(), Some("method/unlisted"));
    let versions = "version = 1\n[protocol]\nversions = ['2']\n";
    let rule = denying_rule(versions, "GET /");
    assert_eq!(rule.as_deref(), Some("version/unlisted"));
    let size = "version = 1\n[protocol]\nmax_header_bytes = '8B'\n";
    let rule = denying_rule(size, "GET /");
    assert_eq!(rule.as_deref(), Some("header/large"));
}

#[test]
fn errors_of_the_section_are_reported_at_their_positions() {
    let text = "\
version = 1
[protocol]
methods = ['GET', 'get', 'CONNECT']
versions = ['1.1', '0.9']
max_headers = 0
max_header_bytes = '32kb'
max_header = 1
";
    let error = compile(text).unwrap_err();
    let diagnostics = error.diagnostics().iter();
    let diagnostics: Vec<_> = diagnostics
        .map(|diagnostic| (diagnostic.line(), diagnostic.column(), diagnostic.message()))
        .collect();
    let expected = [
        (
            3,
            19,
            "invalid value `get`: write method names in capital letters, such as `PROPFIND`",
        ),
        (
            3,
            26,
            "invalid value `CONNECT`: CONNECT opens a tunnel; WebSockets over HTTP/2 are allowed without it",
        ),
        (4, 20, "unknown value `0.9`"),
        (5, 15, "invalid value: integer `0`, expected a nonzero u32"),
        (
            6,
            20,
            "invalid size `32kb`: write for example `512B`, `32KiB` or `1MiB`",
        ),
        (
            7,
            1,
            "unknown key `max_header`; did you mean `max_headers`?",
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
fn printed_section_parses_to_the_same_section() {
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

#[test]
fn rules_can_be_observed_or_off_in_general_and_by_path() {
    let off = "version = 1\n[protocol]\noff = ['path/utf8']\n";
    assert_eq!(
        denying_rule("version = 1\n", "GET /caf%E9").as_deref(),
        Some("path/utf8")
    );
    assert_eq!(denying_rule(off, "GET /caf%E9"), None);
    assert_eq!(
        denying_rule(off, "GET /caf%E9%00").as_deref(),
        Some("path/nul")
    );
    let with_deny = format!("{off}[[deny]]\nid = 'env'\nnames = '.env'\n");
    assert_eq!(
        denying_rule(&with_deny, "GET /caf%E9/%2eenv").as_deref(),
        Some("env")
    );
    let by_path = "version = 1\n[[protocol.except]]\npaths = '/legacy'\nobserve = ['path/utf8']\n";
    assert_eq!(denying_rule(by_path, "GET /legacy/%93%fa"), None);
    assert_eq!(
        denying_rule(by_path, "GET /new/%93%fa").as_deref(),
        Some("path/utf8")
    );
    let written = Document::parse(by_path, "policy.toml").unwrap().to_string();
    assert_eq!(
        Document::parse(&written, "again").unwrap(),
        Document::parse(by_path, "policy.toml").unwrap()
    );
}

#[test]
fn unknown_rule_is_an_error_with_the_nearest_known_one() {
    let text = "version = 1\n[protocol]\noff = ['path/utf-8']\nobserve = ['framing/both', 'x']\n\
        [[protocol.except]]\npaths = '/a'\noff = ['path/escap', 'framing/both']\n";
    let error = compile(text).unwrap_err();
    let diagnostics = error.diagnostics().iter();
    let found: Vec<_> = diagnostics
        .map(|diagnostic| (diagnostic.line(), diagnostic.message().to_owned()))
        .collect();
    let unknown =
        |word: &str, known: &str| format!("unknown value `{word}`; did you mean `{known}`?");
    assert_eq!(found[0], (3, unknown("path/utf-8", "path/utf8")), "{error}");
    assert_eq!(found[1], (4, "unknown value `x`".to_owned()), "{error}");
    assert_eq!(
        found[2],
        (7, unknown("path/escap", "path/escape")),
        "{error}"
    );
    let help = error.diagnostics()[1].help().unwrap();
    assert!(help.contains("`header/underscore`"), "{help}");
    let framing = "version = 1\n[protocol]\noff = ['framing/both']\n";
    let error = compile(framing).unwrap_err();
    let message = error.diagnostics()[0].message();
    assert!(
        message.contains("can be observed, but not switched off"),
        "{message}"
    );
}
