//! Runs the `[[expect]]` tests of a document, which must pass before its policy comes into force.

use std::time::{Duration, UNIX_EPOCH};

use gabion_core::{MessageDenial, Mode, Now, RuleId, Snapshot, Verdict};
use gabion_inspect::ConfigPath;

use crate::{
    Document, Expect, Expected, SampleRequest, SampleRequestError, budget::CompileBudget,
    issue::Issue, sample::explain,
};

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
