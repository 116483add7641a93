//! What must hold before a policy comes into force.

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

/// One `[[expect]]` case: a request, or a text on the WebSocket that it opened, and the verdict that
/// it must get.
///
/// Cases are judged as if the document's mode were `enforce`, so that a policy which only observes
/// is held to what it will do; a rule that observes by its own word does not act. Neither bans in
/// force nor a user's own rules count.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Expect {
    /// The request: `"GET /path"`, or `"/path"` for a GET.
    pub request: String,
    /// The other end of its socket; [`SampleRequest::FROM`], 192.0.2.1, where nothing is said.
    #[serde(default = "nobody")]
    pub from: IpAddr,
    /// Its headers; `Host` is the first of `[server] hosts`, or localhost, unless it stands here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What is sent on the WebSocket, where that is to be judged in place of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What must become of it.
    pub verdict: Expected,
    /// The rule that must decide so; any may where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// What must become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Expected {
    /// No rule says anything that counts.
    Pass,
    /// An allow rule lets it through.
    Allow,
    /// A rule refuses it.
    Deny,
}

const fn nobody() -> IpAddr {
    SampleRequest::FROM
}

/// Reads the requests of all cases.
pub(crate) fn probes(document: &Document) -> Result<Vec<SampleRequest>, Vec<Issue>> {
    let host = document.server.a_host();
    let mut probes = Vec::with_capacity(document.expect.len());
    let mut issues = Vec::new();
    for (at, case) in document.expect.iter().enumerate() {
        match case.probe(host.as_deref().unwrap_or(SampleRequest::HOST)) {
            Ok(probe) => probes.push(probe),
            Err(error) => {
                let key = match error {
                    SampleRequestError::Request(_) => "request",
                    _ => "headers",
                };
                issues.push(Issue::new(
                    ConfigPath::new("expect", key).rule(at),
                    error.to_string(),
                ));
            }
        }
    }
    if issues.is_empty() {
        Ok(probes)
    } else {
        Err(issues)
    }
}

/// The cases that `snapshot` does not hold.
pub(crate) fn broken(
    cases: &[Expect],
    probes: &[SampleRequest],
    snapshot: &Snapshot,
    budget: &CompileBudget,
) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (at, (case, probe)) in cases.iter().zip(probes).enumerate() {
        if let Some(overrun) = budget.overrun("judging the cases") {
            issues.push(overrun);
            break;
        }
        let now = Now::new(Duration::ZERO, UNIX_EPOCH);
        if let Some(message) = &case.message {
            issues.extend(case.broken_by(probe.object(snapshot, message, now), at));
            continue;
        }
        let judged = explain(snapshot, probe, now);
        if let Some(key) = case.mismatch(&judged.verdict) {
            let place = ConfigPath::new("expect", key).rule(at);
            let got = &judged.verdict;
            let message = format!("`{}` gets another verdict: {got}", case.request);
            let steps = format!("it was judged so:\n{judged}");
            issues.push(Issue::new(place, message).with_help(steps));
        }
    }
    issues
}

// === impl Expect ===

impl Expect {
    /// A request without further headers, from nobody in particular, that any rule may decide.
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

    /// What is wrong where this objection, or none, is made against the message.
    fn broken_by(&self, denial: Option<MessageDenial>, at: usize) -> Option<Issue> {
        let got = match &denial {
            Some(_) => Expected::Deny,
            None => Expected::Pass,
        };
        let key = self.differs(got, denial.as_ref().map(|denial| &denial.rule))?;
        let said = denial.map_or_else(
            || "pass".into(),
            |denial| format!("rule {}: {}", denial.rule, denial.why),
        );
        let message = format!(
            "the message on `{}` gets another verdict: {said}",
            self.request
        );
        Some(Issue::new(ConfigPath::new("expect", key).rule(at), message))
    }

    fn probe(&self, host: &str) -> Result<SampleRequest, SampleRequestError> {
        let probe = SampleRequest::new(&self.request)?.with_from(self.from);
        let probe = probe.with_header("host", host)?;
        let mut headers = self.headers.iter();
        headers.try_fold(probe, |probe, (name, value)| probe.with_header(name, value))
    }

    /// The key that `verdict` does not agree with.
    fn mismatch(&self, verdict: &Verdict) -> Option<&'static str> {
        let (got, by) = match verdict {
            Verdict::Pass => (Expected::Pass, None),
            Verdict::Allow(cause) => (Expected::Allow, Some(&cause.rule)),
            Verdict::Deny(denial) if denial.mode == Mode::Observe => (Expected::Pass, None),
            Verdict::Deny(denial) => (Expected::Deny, Some(&denial.cause.rule)),
        };
        self.differs(got, by)
    }

    fn differs(&self, got: Expected, by: Option<&RuleId>) -> Option<&'static str> {
        if got != self.verdict {
            return Some("verdict");
        }
        let rule = self.rule.as_deref()?;
        (!by.is_some_and(|by| by == rule)).then_some("rule")
    }
}
