//! `/metrics`.

use std::time::UNIX_EPOCH;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header};
use metrics::{counter, gauge};

use crate::{admin::Admin, error::ApiError};

/// The text format of Prometheus.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(State(admin): State<Admin>) -> Result<Response, ApiError> {
    let text = admin.read(|admin| {
        let exporter = admin.exporter()?;
        let now = admin.guard().now().mono();
        Some(exporter.render(now, |with_tables| {
            measure(admin);
            if with_tables {
                measure_tables(admin);
            }
        }))
    });
    let text = text.await?.ok_or_else(|| {
        let error = "this program exports no metrics: it has no recorder for them";
        ApiError::new(StatusCode::NOT_FOUND, error)
    })?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}

/// Passes the state to the recorder. A reload holds the lock of warnings, so this may block.
fn measure(admin: &Admin) {
    let guard = admin.guard();
    gauge!("gabion_build_info", "version" => admin.version().to_owned()).set(1);
    gauge!("gabion_uptime_seconds").set(admin.uptime().as_secs_f64());
    gauge!("gabion_ready").set(truth(admin.is_ready()));
    gauge!("gabion_policy_generation").set(count(guard.generation()));
    gauge!("gabion_policy_warnings").set(count(guard.warnings().len()));
    let rejected = guard.rejected_policy();
    let at = rejected
        .as_ref()
        .and_then(|rejected| rejected.at.duration_since(UNIX_EPOCH).ok());
    gauge!("gabion_policy_rejected").set(truth(rejected.is_some()));
    gauge!("gabion_policy_rejected_timestamp_seconds").set(at.unwrap_or_default().as_secs_f64());
    gauge!("gabion_observe_override_seconds").set(guard.observes_for().as_secs_f64());
    let buffered = guard.sessions().buffered();
    gauge!("gabion_message_buffer_bytes").set(count(buffered));
    let (store, shared) = (admin.durability().status(), admin.shared().status());
    gauge!("gabion_store_healthy", "kind" => store.kind).set(truth(store.healthy));
    gauge!("gabion_shared_healthy", "kind" => shared.kind).set(truth(shared.healthy));
}

fn measure_tables(admin: &Admin) {
    for table in admin.guard().tables() {
        gauge!("gabion_table_entries", "table" => table.name).set(count(table.entries));
        gauge!("gabion_table_capacity", "table" => table.name).set(count(table.capacity));
        counter!("gabion_table_evictions_total", "table" => table.name).absolute(table.evictions);
    }
}

fn truth(is_true: bool) -> f64 {
    f64::from(u8::from(is_true))
}

/// A count as a gauge, exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "no table has that many entries")]
fn count(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}
