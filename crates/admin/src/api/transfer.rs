//! `/v1/export` and `/v1/import`: bans as lines of JSON.

use std::collections::BTreeSet;

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Response},
};
use gabion::{Guard, ban::BanRecord, event::AuditAction};
use http::{StatusCode, header};

use super::ok;
use crate::{
    admin::{Admin, Change},
    caller::Caller,
    error::ApiError,
    extract::{Raw, parse},
    wire::{BanRow, ImportCounts},
};

pub(super) async fn export(State(admin): State<Admin>) -> Result<Response, ApiError> {
    let lines = admin.read(|admin| {
        let mut lines = Vec::new();
        for ban in admin.guard().bans().records() {
            // Text fields only, so this does not fail.
            let _ = serde_json::to_writer(&mut lines, &BanRow::from(&ban));
            lines.push(b'\n');
        }
        lines
    });
    let content_type = [(header::CONTENT_TYPE, "application/jsonl")];
    Ok((content_type, lines.await?).into_response())
}

/// Every line is read before the first ban is placed.
pub(super) async fn import(
    State(admin): State<Admin>,
    Extension(caller): Extension<Caller>,
    Raw(lines): Raw,
) -> Result<Response, ApiError> {
    let import = move |guard: &Guard| {
        let bans = read(&lines)?;
        check_capacity(guard, &bans)?;
        let counts = ImportCounts::from(guard.import(&bans));
        let ImportCounts {
            placed,
            already_banned,
            ended,
            exempt,
        } = counts;
        let detail = format!(
            "{placed} bans placed, {already_banned} banned already, {ended} ended, {exempt} exempt"
        );
        Ok((counts, Change::new(AuditAction::Import, None, detail)))
    };
    admin.change(caller, import).await.map(|counts| ok(&counts))
}

fn read(lines: &[u8]) -> Result<Vec<BanRecord>, ApiError> {
    let lines = lines.split(|b| *b == b'\n').zip(1..);
    let lines = lines.filter(|(line, _)| !line.trim_ascii().is_empty());
    let bans = lines.map(|(line, number)| {
        let row: BanRow = parse(line).map_err(|error| error.on_line(number))?;
        row.record()
            .map_err(|(field, error)| ApiError::invalid(field, error).on_line(number))
    });
    bans.collect()
}

/// A full table would drop bans, perhaps some of the import.
fn check_capacity(guard: &Guard, bans: &[BanRecord]) -> Result<(), ApiError> {
    let capacity = guard.bans().capacity();
    let mut networks: BTreeSet<_> = bans.iter().map(|ban| ban.network).collect();
    networks.extend(guard.bans().records().iter().map(|ban| ban.network));
    if networks.len() <= capacity {
        return Ok(());
    }
    let error = format!(
        "there would be {} bans: at most {capacity} are held",
        networks.len()
    );
    Err(ApiError::new(StatusCode::CONFLICT, error))
}
