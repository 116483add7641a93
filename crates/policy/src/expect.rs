//! `[[expect]]` tests of a document.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::SampleRequest;

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
}
