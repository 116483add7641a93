//! Extractors that refuse unknown keys, with JSON errors.

use axum::{
    RequestExt as _,
    extract::{FromRequest, FromRequestParts, Query, Request},
};
use bytes::Bytes;
use http::{StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// A JSON body of a type that refuses unknown keys.
pub(crate) struct Body<T>(pub(crate) T);

/// The parameters of a query, of a type that refuses unknown ones.
pub(crate) struct Params<T>(pub(crate) T);

/// The bytes of a body, up to the limit of its route.
pub(crate) struct Raw(pub(crate) Bytes);

/// Parses a JSON value, and names the field of an error.
pub(crate) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, ApiError> {
    // The path of a value is kept only for errors: it doubles the time of an import.
    if let Ok(parsed) = serde_json::from_slice(json) {
        return Ok(parsed);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let invalid = ApiError::new(StatusCode::BAD_REQUEST, error.inner().to_string());
        match path.as_str() {
            // The whole value, or none that could be read.
            "." | "?" => invalid,
            _ => invalid.at(path),
        }
    })?;
    let end = deserializer.end();
    end.map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok(parsed)
}

impl<S: Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let body = request.extract::<Bytes, _>().await;
        body.map(Self)
            .map_err(|error| ApiError::new(error.status(), error.body_text()))
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.map_or(&b""[..], |value| value.as_bytes());
        let essence = content_type
            .split(|b| *b == b';')
            .next()
            .unwrap_or_default();
        // A page can send other types across sites without a preflight.
        if !essence
            .trim_ascii()
            .eq_ignore_ascii_case(b"application/json")
        {
            let error = "send the body as JSON, with `Content-Type: application/json`";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
        }
        let Raw(body) = Raw::from_request(request, state).await?;
        parse(&body).map(Self)
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(error) => Err(ApiError::new(StatusCode::BAD_REQUEST, error.body_text())),
        }
    }
}
