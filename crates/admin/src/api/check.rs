//! `/v1/check`.

use std::path::PathBuf;

use axum::{Extension, extract::State, response::Response};
use gabion::{
    Guard,
    policy::{Candidate, Document, DocumentErrors, PolicyError, Report},
};
use http::StatusCode;
use serde::Deserialize;

use super::ok;
use crate::{
    admin::Admin,
    caller::Caller,
    error::ApiError,
    extract::Body,
    wire::{CheckOutcome, Checked},
};

/// The body. Without a document, the file of the policy in force is checked.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CheckBody {
    /// The text of a document.
    policy: Option<String>,
    /// The absolute path of a document on the machine of the guard.
    path: Option<PathBuf>,
}

pub(super) async fn check(
    State(admin): State<Admin>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<CheckBody>,
) -> Result<Response, ApiError> {
    body.refuse_files(&caller, admin.guard())?;
    let checked = admin.read(move |admin| {
        let candidate = match (&body.policy, &body.path) {
            (Some(text), _) => Candidate::Text(text),
            (None, Some(path)) => Candidate::File(path),
            (None, None) => Candidate::OwnFile,
        };
        Checked::from(admin.guard().check_reload(candidate))
    });
    Ok(ok(&checked.await?))
}

// === impl CheckBody ===

impl CheckBody {
    /// Refuses files that the caller may not read: the errors of a document quote it, and those of a list its lines.
    fn refuse_files(&self, caller: &Caller, guard: &Guard) -> Result<(), ApiError> {
        if self.policy.is_some() && self.path.is_some() {
            let error = "give `policy` or `path`, not both";
            return Err(ApiError::invalid("path", error));
        }
        if let Some(path) = &self.path
            && !path.is_absolute()
        {
            let path = path.display().to_string();
            let error = format!("`{}` is not an absolute path", path.escape_debug());
            return Err(ApiError::invalid("path", error));
        }
        if caller.is_local {
            return Ok(());
        }
        if self.path.is_some() {
            let error = "files of the guard's machine are checked over its Unix socket only: send the text as `policy`";
            return Err(ApiError::new(StatusCode::FORBIDDEN, error).at("path"));
        }
        let text = self.policy.as_deref().unwrap_or_default();
        let (document, _) = DocumentErrors::read::<Document>(text, "policy");
        let known = guard.document();
        let mut named = document.ban.files.iter();
        if named.all(|file| known.ban.files.iter().any(|known| known == file)) {
            return Ok(());
        }
        let error = "the policy names a list in [ban] files that the policy in force does not: check it over the \
                     guard's Unix socket";
        Err(ApiError::new(StatusCode::FORBIDDEN, error).at("policy"))
    }
}

// === impl Checked ===

impl From<Result<Report, PolicyError>> for Checked {
    fn from(checked: Result<Report, PolicyError>) -> Self {
        match checked {
            Ok(mut report) => {
                let messages = report.warnings.iter().map(ToString::to_string).collect();
                report.warnings.clear();
                Self {
                    outcome: if report.shrinks {
                        CheckOutcome::Shrinks
                    } else {
                        CheckOutcome::Accepted
                    },
                    summary: Some(report.to_string()),
                    messages,
                }
            }
            Err(error) => Self {
                outcome: CheckOutcome::Invalid,
                summary: None,
                messages: error
                    .diagnostics()
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
            },
        }
    }
}
