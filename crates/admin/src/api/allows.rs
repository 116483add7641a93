//! `/v1/allows`.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use gabion::{Guard, ban::AllowRecord, event::AuditAction};
use http::StatusCode;

use super::{bans::NewEntry, ok};
use crate::{
    admin::{Admin, Change, address},
    caller::Caller,
    error::ApiError,
    extract::Body,
    wire::{AllowRow, Allowed, Allows, Forgotten},
};

pub(super) async fn allow(
    State(admin): State<Admin>,
    Extension(caller): Extension<Caller>,
    Body(entry): Body<NewEntry>,
) -> Result<Response, ApiError> {
    let (client, period) = entry.parse()?;
    let allow = move |guard: &Guard| {
        let lifted = guard.allow(client, period, entry.reason.as_str());
        let (now, network) = (guard.now(), guard.client_network(client));
        let allow = AllowRow::from(&AllowRecord {
            network,
            reason: Some(entry.reason.as_str().into()),
            since: now.wall(),
            until: now.wall_after(period),
        });
        let detail = format!("until {}: {}", allow.until, entry.reason);
        let allowed = Allowed {
            allow,
            lifted: lifted.iter().map(ToString::to_string).collect(),
        };
        Ok((
            allowed,
            Change::new(AuditAction::Allow, Some(network), detail),
        ))
    };
    admin
        .change(caller, allow)
        .await
        .map(|allowed| ok(&allowed))
}

pub(super) async fn list(State(admin): State<Admin>) -> Result<Response, ApiError> {
    let list = admin.read(|admin| {
        let allows = admin.guard().bans().allows();
        Allows {
            allows: allows.iter().map(AllowRow::from).collect(),
        }
    });
    Ok(ok(&list.await?))
}

pub(super) async fn disallow(
    State(admin): State<Admin>,
    Extension(caller): Extension<Caller>,
    Path(client): Path<String>,
) -> Result<Response, ApiError> {
    let client = address("address", &client)?;
    let disallow = move |guard: &Guard| {
        if !guard.disallow(client) {
            let error = format!("{client} has no temporary exemption");
            return Err(ApiError::new(StatusCode::NOT_FOUND, error).at("address"));
        }
        let network = guard.client_network(client);
        let ended = Forgotten {
            network: network.to_string(),
        };
        Ok((ended, Change::new(AuditAction::Disallow, Some(network), "")))
    };
    admin.change(caller, disallow).await.map(|ended| ok(&ended))
}
