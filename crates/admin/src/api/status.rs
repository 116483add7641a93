//! `/v1/status`, `/livez` and `/readyz`.

use axum::{extract::State, response::Response};
use http::StatusCode;

use super::ok;
use crate::{
    Timestamp,
    admin::Admin,
    error::ApiError,
    wire::{BansStatus, PolicyStatus, RejectedStatus, Status},
};

pub(super) async fn livez() -> &'static str {
    "ok\n"
}

pub(super) async fn readyz(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if admin.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

pub(super) async fn status(State(admin): State<Admin>) -> Result<Response, ApiError> {
    Ok(ok(&admin.read(current).await?))
}

/// A reload holds the lock of warnings, so this may block.
fn current(admin: &Admin) -> Status {
    let guard = admin.guard();
    let rejected = guard.rejected_policy().map(|rejected| RejectedStatus {
        at: Timestamp(rejected.at),
        errors: rejected.errors.as_ref().to_owned(),
    });
    Status {
        version: admin.version().to_owned(),
        uptime_seconds: admin.uptime().as_secs(),
        ready: admin.is_ready(),
        policy: PolicyStatus {
            name: guard.policy_name().to_owned(),
            generation: guard.generation(),
            warnings: guard.warnings().len(),
            rejected,
        },
        // The last second counts.
        observes_for_seconds: guard
            .observes_for()
            .as_millis()
            .div_ceil(1000)
            .try_into()
            .unwrap_or(u64::MAX),
        bans: BansStatus {
            count: guard.bans().len(),
            capacity: guard.bans().capacity(),
            allows: guard.bans().allows().len(),
        },
        sessions: guard.sessions().len(),
        store: admin.durability().status(),
        shared: admin.shared().status(),
    }
}
