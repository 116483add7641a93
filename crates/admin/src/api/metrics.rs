//! `/metrics`.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header};

use crate::{admin::Admin, error::ApiError};

/// The text format of Prometheus.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(State(admin): State<Admin>) -> Result<Response, ApiError> {
    let text = admin.read(|admin| {
        let exporter = admin.exporter()?;
        Some(exporter.render(admin))
    });
    let text = text.await?.ok_or_else(|| {
        let error = "this program exports no metrics: it has no recorder for them";
        ApiError::new(StatusCode::NOT_FOUND, error)
    })?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}
