//! Errors of the API.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::wire::ErrorBody;

/// An error as a response with a JSON body.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

// === impl ApiError ===

impl ApiError {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            body: ErrorBody::new(error),
        }
    }

    /// An invalid value of `field`.
    pub(crate) fn invalid(field: impl Into<String>, error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error).at(field)
    }

    pub(crate) fn at(mut self, field: impl Into<String>) -> Self {
        self.body.field = Some(field.into());
        self
    }

    pub(crate) fn on_line(mut self, line: usize) -> Self {
        self.body.line = Some(line);
        self
    }

    /// Marks that the change is in force all the same.
    pub(crate) fn applied(mut self) -> Self {
        self.body.applied = true;
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = json(self.status, &self.body);
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// A response with a JSON body, which ends with a line feed for terminals.
pub(crate) fn json(status: StatusCode, body: &impl serde::Serialize) -> Response {
    // The types of this crate have no maps with other keys than strings, so this does not fail.
    let mut text = serde_json::to_vec(body).unwrap_or_default();
    text.push(b'\n');
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (status, content_type, text).into_response()
}
