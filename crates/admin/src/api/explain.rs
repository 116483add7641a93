//! `/v1/explain`.

use axum::{extract::State, response::Response};
use gabion::{
    Guard,
    policy::{RuleSelection, SampleRequest, SampleRequestError},
};
use http::Version;
use serde::Deserialize;

use super::ok;
use crate::{
    admin::{Admin, address},
    error::ApiError,
    extract::Body,
};

/// The body: a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainBody {
    /// The method.
    #[serde(default = "get")]
    method: String,
    /// The target: a path, with its query.
    target: String,
    /// The header lines in order.
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// The address of the peer.
    from: Option<String>,
    /// The protocol version.
    #[serde(default)]
    version: HttpVersion,
    /// Lists all deny rules.
    #[serde(default)]
    all: bool,
    /// Lists the deny rule with this id.
    rule: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum HttpVersion {
    #[serde(rename = "1.0")]
    Http10,
    #[default]
    #[serde(rename = "1.1")]
    Http11,
    #[serde(rename = "2")]
    Http2,
}

fn get() -> String {
    "GET".to_owned()
}

pub(super) async fn explain(
    State(admin): State<Admin>,
    Body(body): Body<ExplainBody>,
) -> Result<Response, ApiError> {
    let request = body.request(admin.guard())?;
    let selection = match (body.rule, body.all) {
        (_, true) => RuleSelection::All,
        (Some(rule), false) => RuleSelection::Rule(rule),
        (None, false) => RuleSelection::Matching,
    };
    // It compiles policies, which takes up to seconds.
    let explained = admin.read(move |admin| admin.guard().explain_request(&request, &selection));
    Ok(ok(&explained.await?))
}

// === impl ExplainBody ===

impl ExplainBody {
    fn request(&self, guard: &Guard) -> Result<SampleRequest, ApiError> {
        let invalid =
            |field: &str, error: &SampleRequestError| ApiError::invalid(field, error.to_string());
        let mut request = SampleRequest::new(&format!("{} {}", self.method, self.target))
            .map_err(|error| invalid("target", &error))?;
        if let Some(host) = guard.document().server.a_host() {
            let with_host = request.with_header("host", &host);
            request = with_host.map_err(|error| invalid("headers", &error))?;
        }
        if let Some(from) = &self.from {
            request = request.with_from(address("from", from)?);
        }
        let request = request
            .with_lines(&self.headers)
            .map_err(|error| invalid("headers", &error))?;
        Ok(request.with_version(self.version.into()))
    }
}

impl From<HttpVersion> for Version {
    fn from(version: HttpVersion) -> Self {
        match version {
            HttpVersion::Http10 => Self::HTTP_10,
            HttpVersion::Http11 => Self::HTTP_11,
            HttpVersion::Http2 => Self::HTTP_2,
        }
    }
}
