//! The paths of the API.

mod allows;
mod bans;
mod check;
mod events;
mod explain;
mod metrics;
mod status;
mod transfer;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::from_fn_with_state,
    response::Response,
    routing::{delete, get, post},
};
use http::StatusCode;

use crate::{
    access::{Access, check as check_access},
    admin::Admin,
    error::ApiError,
};

/// The most bytes of a body, but for policies and imports.
const MAX_BODY: usize = 64 * 1024;

/// The most bytes of a policy to check, as of a policy file with long lists of paths.
const MAX_POLICY: usize = 4 * 1024 * 1024;

/// The most bytes of an import: 100,000 bans of some 300 bytes.
const MAX_IMPORT: usize = 32 * 1024 * 1024;

/// Routes requests behind the checks of a listener.
pub(crate) fn router(admin: Admin, access: Arc<Access>) -> Router {
    Router::new()
        .route("/livez", get(status::livez))
        .route("/readyz", get(status::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/v1/status", get(status::status))
        .route(
            "/v1/bans",
            get(bans::list).post(bans::ban).delete(bans::lift),
        )
        .route("/v1/bans/{address}", delete(bans::unban))
        .route("/v1/allows", get(allows::list).post(allows::allow))
        .route("/v1/allows/{address}", delete(allows::disallow))
        .route("/v1/events", get(events::list))
        .route("/v1/events/{id}", get(events::find))
        .route("/v1/explain", post(explain::explain))
        .route("/v1/forget", post(bans::forget))
        .route("/v1/export", get(transfer::export))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .route(
            "/v1/check",
            post(check::check).layer(DefaultBodyLimit::max(MAX_POLICY)),
        )
        .route(
            "/v1/import",
            post(transfer::import).layer(DefaultBodyLimit::max(MAX_IMPORT)),
        )
        .fallback(unknown_path)
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(access, check_access))
        .with_state(admin)
}

async fn unknown_path(request: Request) -> ApiError {
    let path = request.uri().path().escape_debug().to_string();
    let error = format!("unknown path `{path}`: the guide has all of them (`operate`)");
    ApiError::new(StatusCode::NOT_FOUND, error)
}

async fn other_method(request: Request) -> ApiError {
    let (method, path) = (request.method(), request.uri().path());
    let error = format!("`{path}` has no method {method}");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, error)
}

/// A response with a JSON body.
fn ok(body: &impl serde::Serialize) -> Response {
    crate::error::json(StatusCode::OK, body)
}
