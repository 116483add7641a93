//! `[[expect]]` tests, which must pass before a policy comes into force.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, UNIX_EPOCH},
};

use gabion_core::{MessageDenial, Mode, Now, RuleId, Snapshot, Verdict};
use gabion_inspect::ConfigPath;
use serde::{Deserialize, Serialize};

use crate::{
    Document, SampleRequest, SampleRequestError, budget::CompileBudget, issue::Issue,
    sample::explain,
};

/// One `[[expect]]` test: a request, or a text message on the WebSocket that it opens, and the
/// verdict that it must get.
///
/// Tests are judged as if the document's mode were `enforce`, so that a policy in observe mode is
/// tested for what it will do. A rule with `mode = "observe"` of its own still observes. Active bans
/// and the user's own rules ([`PolicyOptions::add_rule`](crate::PolicyOptions::add_rule)) do not
/// apply. Each test starts with empty state, so that limits have their full burst. A failing test
/// refuses the document ([`PolicyError`](crate::PolicyError)) with every inspector's verdict.
///
/// # Examples
///
/// ```
/// use gabion_policy::{Document, Expect, Expected, Pack, check};
///
/// let mut document = Document::default();
/// document.packs = vec![Pack::Never];
/// document.expect = vec![
///     Expect::new("GET /", Expected::Pass),
///     Expect::new("GET /.env", Expected::Deny).with_rule("never/env"),
/// ];
/// assert!(check(&document.to_string(), "policy.toml", None).is_ok());
///
/// document.expect.push(Expect::new("GET /.git/config", Expected::Pass));
/// assert!(check(&document.to_string(), "policy.toml", None).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Expect {
    /// The request: `"GET /path"`, or `"/path"` for a GET.
    pub request: String,
    /// The peer address of the request; [`SampleRequest::FROM`], 192.0.2.1, by default.
    #[serde(default = "default_from")]
    pub from: IpAddr,
    /// The headers of the request. `Host` defaults to the first of `[server] hosts`, or localhost.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A text message on the WebSocket, to be judged instead of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The verdict that is required.
    pub verdict: Expected,
    /// The id of the rule that must decide; if unset, any rule may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// The verdict that an [`Expect`] test requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Expected {
    /// No enforced rule matches.
    Pass,
    /// An allow rule matches.
    Allow,
    /// An enforced rule refuses the request.
    Deny,
}

const fn default_from() -> IpAddr {
    SampleRequest::FROM
}

/// Parses the requests of all tests.
pub(crate) fn requests(document: &Document) -> Result<Vec<SampleRequest>, Vec<Issue>> {
    let host = document.server.a_host();
    let mut requests = Vec::with_capacity(document.expect.len());
    let mut issues = Vec::new();
    for (index, test) in document.expect.iter().enumerate() {
        match test.sample_request(host.as_deref().unwrap_or(SampleRequest::HOST)) {
            Ok(request) => requests.push(request),
            Err(error) => {
                let key = match error {
                    SampleRequestError::Request(_) => "request",
                    _ => "headers",
                };
                issues.push(Issue::new(
                    ConfigPath::new("expect", key).rule(index),
                    error.to_string(),
                ));
            }
        }
    }
    if issues.is_empty() {
        Ok(requests)
    } else {
        Err(issues)
    }
}

/// Judges the tests by `snapshot` and returns an issue for each failing one.
pub(crate) fn failures(
    tests: &[Expect],
    requests: &[SampleRequest],
    snapshot: &Snapshot,
    budget: &CompileBudget,
) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (index, (test, request)) in tests.iter().zip(requests).enumerate() {
        if let Some(timeout) = budget.timeout_issue("running the [[expect]] tests") {
            issues.push(timeout);
            break;
        }
        let now = Now::new(Duration::ZERO, UNIX_EPOCH);
        if let Some(message) = &test.message {
            let denial = request.message_denial(snapshot, message, now);
            issues.extend(test.message_failure(denial, index));
            continue;
        }
        let explained = explain(snapshot, request, now);
        if let Some(key) = test.mismatch(&explained.verdict) {
            let path = ConfigPath::new("expect", key).rule(index);
            let subject = format!("`{}`", test.request);
            let message = test.failure(&subject, &explained.verdict.to_string());
            let steps = format!("the verdicts of the inspectors, in order:\n{explained}");
            issues.push(Issue::new(path, message).with_help(steps));
        }
    }
    issues
}

// === impl Expect ===

impl Expect {
    /// A test of a request without headers, from [`SampleRequest::FROM`], which any rule may decide.
    pub fn new(request: impl Into<String>, verdict: Expected) -> Self {
        Self {
            request: request.into(),
            from: SampleRequest::FROM,
            headers: BTreeMap::new(),
            message: None,
            verdict,
            rule: None,
        }
    }

    /// Sets the peer address.
    pub fn with_from(self, from: IpAddr) -> Self {
        Self { from, ..self }
    }

    /// Adds or replaces a header.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Tests a text message on the WebSocket instead of the request.
    pub fn with_message(self, message: impl Into<String>) -> Self {
        Self {
            message: Some(message.into()),
            ..self
        }
    }

    /// Requires that the rule with this id decides.
    pub fn with_rule(self, rule: impl Into<String>) -> Self {
        Self {
            rule: Some(rule.into()),
            ..self
        }
    }

    /// The issue if the message got `denial`, or passed, and the test requires something else.
    fn message_failure(&self, denial: Option<MessageDenial>, index: usize) -> Option<Issue> {
        let found = match &denial {
            Some(_) => Expected::Deny,
            None => Expected::Pass,
        };
        let key = self.mismatched_key(found, denial.as_ref().map(|denial| &denial.rule))?;
        let found = denial.map_or_else(
            || "pass".into(),
            |denial| format!("rule {}: {}", denial.rule, denial.why),
        );
        let subject = format!("the message on `{}`", self.request);
        let path = ConfigPath::new("expect", key).rule(index);
        Some(Issue::new(path, self.failure(&subject, &found)))
    }

    fn failure(&self, subject: &str, found: &str) -> String {
        let expected = self.verdict.name();
        let by = match &self.rule {
            Some(rule) => format!(" by rule `{rule}`"),
            None => String::new(),
        };
        format!("[[expect]] test failed: expected `{expected}`{by} for {subject}, got: {found}")
    }

    fn sample_request(&self, host: &str) -> Result<SampleRequest, SampleRequestError> {
        let request = SampleRequest::new(&self.request)?.with_from(self.from);
        let request = request.with_header("host", host)?;
        let mut headers = self.headers.iter();
        headers.try_fold(request, |request, (name, value)| {
            request.with_header(name, value)
        })
    }

    /// The key of this test that `verdict` does not satisfy.
    fn mismatch(&self, verdict: &Verdict) -> Option<&'static str> {
        let (found, rule) = match verdict {
            Verdict::Pass => (Expected::Pass, None),
            Verdict::Allow(cause) => (Expected::Allow, Some(&cause.rule)),
            Verdict::Deny(denial) if denial.mode == Mode::Observe => (Expected::Pass, None),
            Verdict::Deny(denial) => (Expected::Deny, Some(&denial.cause.rule)),
        };
        self.mismatched_key(found, rule)
    }

    fn mismatched_key(&self, found: Expected, rule: Option<&RuleId>) -> Option<&'static str> {
        if found != self.verdict {
            return Some("verdict");
        }
        let expected = self.rule.as_deref()?;
        (!rule.is_some_and(|rule| rule == expected)).then_some("rule")
    }
}

// === impl Expected ===

impl Expected {
    const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}
