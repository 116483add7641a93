//! `/v1/events`.

use axum::{
    extract::{Path, State},
    response::Response,
};
use gabion::event::EventId;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::ok;
use crate::{admin::Admin, error::ApiError, extract::Params};

/// The parameters of `GET`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListParams {
    last: Option<String>,
}

/// The number of events without `last`.
const DEFAULT_COUNT: usize = 100;

pub(super) async fn find(
    State(admin): State<Admin>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let parsed = parse_id(&id)?;
    let found = admin.read(move |admin| admin.events().find(parsed)).await?;
    let found = found.as_deref().and_then(parse);
    let event = found.ok_or_else(|| {
        let error = format!("event `{parsed}` is not kept: only the last events are");
        ApiError::new(StatusCode::NOT_FOUND, error).at("id")
    })?;
    Ok(ok(&event))
}

pub(super) async fn list(
    State(admin): State<Admin>,
    Params(params): Params<ListParams>,
) -> Result<Response, ApiError> {
    let count = params.last.as_deref().map_or(Ok(DEFAULT_COUNT), |text| {
        text.parse().map_err(|_| {
            let error = format!("invalid number `{}`: write `last=100`", text.escape_debug());
            ApiError::invalid("last", error)
        })
    })?;
    let events = admin.read(move |admin| {
        let events = admin.events().last(count);
        events.iter().filter_map(|event| parse(event)).collect()
    });
    let events: Vec<Value> = events.await?;
    Ok(ok(&serde_json::json!({ "events": events })))
}

fn parse(event: &str) -> Option<Value> {
    serde_json::from_str(event).ok()
}

/// Parses an id as a denied client received it.
fn parse_id(text: &str) -> Result<EventId, ApiError> {
    const LENGTH: usize = 16;
    const DIGITS: &[u8] = b"0123456789abcdef";
    let value = |byte: u8| {
        let position = DIGITS.iter().position(|digit| *digit == byte);
        position.and_then(|value| u64::try_from(value).ok())
    };
    let mut digits = text.bytes();
    let id = digits.try_fold(0, |id: u64, byte| Some(id << 4 | value(byte)?));
    let id = id.filter(|_| text.len() == LENGTH);
    id.map(EventId::new).ok_or_else(|| {
        let error = format!(
            "invalid event id `{}`: write the 16 digits that the client received",
            text.escape_debug()
        );
        ApiError::invalid("id", error)
    })
}
