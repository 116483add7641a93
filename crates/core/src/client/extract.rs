//! [`ClientIp`] as an axum extractor.

use std::{convert::Infallible, fmt};

use axum_core::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};

use super::ClientIp;

/// The rejection of [`ClientIp`] as an extractor: no layer has resolved the client of the request. Answered with 500.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingClientIp;

/// Extracts the client that the outermost layer resolved.
impl<S: Sync> FromRequestParts<S> for ClientIp {
    type Rejection = MissingClientIp;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, MissingClientIp> {
        parts.extensions.get().copied().ok_or(MissingClientIp)
    }
}

/// Extracts the client, or `None` if no layer has resolved it.
impl<S: Sync> OptionalFromRequestParts<S> for ClientIp {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().copied())
    }
}

impl IntoResponse for MissingClientIp {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

impl fmt::Display for MissingClientIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no client address in the request: add a gabion layer around this route")
    }
}

impl std::error::Error for MissingClientIp {}
