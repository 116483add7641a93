//! `/v1/bans` and `/v1/forget`.

use std::{cmp::Ordering, sync::Arc, time::SystemTime};

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use gabion::{
    Guard,
    ban::{BanOutcome, BanRecord, Bans as BanStore},
    event::AuditAction,
};
use http::StatusCode;
use ipnet::IpNet;
use serde::Deserialize;

use super::ok;
use crate::{
    admin::{Admin, Change, address},
    caller::Caller,
    error::ApiError,
    extract::{Body, Params},
    time::{parse_period, parse_since},
    wire::{BanRow, Banned, Bans, Forgotten, Lifted, check_reason, parse_network},
};

/// The body of `POST /v1/bans` and `POST /v1/allows`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEntry {
    address: String,
    #[serde(rename = "for")]
    period: String,
    #[serde(default)]
    pub(super) reason: String,
}

/// The body of `POST /v1/forget`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Client {
    address: String,
}

/// The parameters of `GET` and `DELETE`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FilterParams {
    network: Option<String>,
    rule: Option<String>,
    reason: Option<String>,
    since: Option<String>,
    all: Option<String>,
    sort: Option<String>,
    limit: Option<String>,
}

/// The bans that a request is about. Without a condition, all.
#[derive(Debug, Default)]
struct Filter {
    /// Bans inside of it, and bans around it.
    network: Option<IpNet>,
    rule: Option<String>,
    /// A part of the reason, in lower case.
    reason: Option<String>,
    since: Option<SystemTime>,
}

/// An order of bans.
#[derive(Clone, Copy, Debug)]
struct Sort {
    key: SortKey,
    is_descending: bool,
}

#[derive(Clone, Copy, Debug)]
enum SortKey {
    Network,
    Offenses,
    Rule,
    Since,
    Until,
}

pub(super) async fn ban(
    State(admin): State<Admin>,
    Extension(caller): Extension<Caller>,
    Body(entry): Body<NewEntry>,
) -> Result<Response, ApiError> {
    let (client, period) = entry.parse()?;
    let place = move |guard: &Guard| {
        let outcome = guard.ban(client, period, entry.reason.as_str());
        let network = guard.client_network(client);
        if let BanOutcome::Withheld(why) = outcome {
            let error = format!("{client} is not banned: {why}");
            return Err(ApiError::new(StatusCode::CONFLICT, error).at("address"));
        }
        let ban = ban_row(guard, client, network);
        let detail = format!("until {}: {}", ban.until, entry.reason);
        let banned = Banned {
            ban,
            already_banned: !matches!(outcome, BanOutcome::Banned(_)),
        };
        Ok((banned, Change::new(AuditAction::Ban, Some(network), detail)))
    };
    admin.change(caller, place).await.map(|banned| ok(&banned))
}

/// The ban in force of a client that was just banned.
fn ban_row(guard: &Guard, client: std::net::IpAddr, network: IpNet) -> BanRow {
    let now = guard.now();
    let found = guard.find_ban(client);
    let record = BanRecord {
        network,
        by: found
            .as_ref()
            .map_or(BanStore::OPERATOR, |ban| ban.by.clone()),
        reason: found.as_ref().and_then(|ban| ban.reason.clone()),
        since: found.as_ref().map_or_else(|| now.wall(), |ban| ban.since),
        until: now.wall_after(found.as_ref().map(|ban| ban.left).unwrap_or_default()),
        offenses: found.map_or(0, |ban| ban.offenses),
    };
    BanRow::from(&record)
}

pub(super) async fn list(
    State(admin): State<Admin>,
    Params(params): Params<FilterParams>,
) -> Result<Response, ApiError> {
    let filter = params.filter(admin.guard().now().wall())?;
    if params.all.is_some() {
        return Err(ApiError::invalid(
            "all",
            "`all` is of DELETE: without a filter, all bans are listed",
        ));
    }
    let (sort, limit) = (params.sort()?, params.limit()?);
    let list = admin.read(move |admin| {
        let mut records = admin.guard().bans().records();
        records.retain(|ban| filter.matches(ban));
        records.sort_by(|one, other| sort.compare(one, other));
        Bans {
            bans: records.iter().take(limit).map(BanRow::from).collect(),
            matching: records.len(),
        }
    });
    Ok(ok(&list.await?))
}

pub(super) async fn unban(
    State(admin): State<Admin>,
    Extension(caller): Extension<Caller>,
    Path(client): Path<String>,
) -> Result<Response, ApiError> {
    let client = address("address", &client)?;
    let lift = move |guard: &Guard| {
        let network = guard.client_network(client);
        let lifted = lift_where(guard, |ban| {
            ban.network.contains(&network) || ban.network.contains(&client)
        });
        if lifted.lifted.is_empty() {
            let error = format!("{client} is not banned");
            return Err(ApiError::new(StatusCode::NOT_FOUND, error).at("address"));
        }
        Ok((lifted, Change::new(AuditAction::Unban, Some(network), "")))
    };
    admin.change(caller, lift).await.map(|lifted| ok(&lifted))
}

pub(super) async fn lift(
    State(admin): State<Admin>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<FilterParams>,
) -> Result<Response, ApiError> {
    let filter = params.filter(admin.guard().now().wall())?;
    let conditions = params.conditions();
    match (params.all.as_deref(), conditions.is_empty()) {
        (None, false) | (Some("true"), true) => {}
        (None, true) => {
            let error = "name what to lift: `network`, `rule`, `reason`, `since`, or `all=true`";
            return Err(ApiError::new(StatusCode::BAD_REQUEST, error));
        }
        (Some("true"), false) => {
            let error = format!("`all=true` with a filter ({conditions}) is ambiguous");
            return Err(ApiError::invalid("all", error));
        }
        (Some(other), _) => {
            let error = format!("invalid value `{}`: write `all=true`", other.escape_debug());
            return Err(ApiError::invalid("all", error));
        }
    }
    for (name, value) in [("sort", &params.sort), ("limit", &params.limit)] {
        if value.is_some() {
            return Err(ApiError::invalid(name, format!("`{name}` is of GET")));
        }
    }
    let lift = move |guard: &Guard| {
        let lifted = lift_where(guard, |ban| filter.matches(ban));
        let conditions = if conditions.is_empty() {
            "all"
        } else {
            &conditions
        };
        let detail = format!("{} bans ({conditions})", lifted.lifted.len());
        let change = Change::new(AuditAction::Unban, filter.network, detail);
        Ok((lifted, change))
    };
    admin.change(caller, lift).await.map(|lifted| ok(&lifted))
}

fn lift_where(guard: &Guard, selects: impl Fn(&BanRecord) -> bool) -> Lifted {
    let lifted = guard.bans().unban_where(selects);
    Lifted {
        lifted: lifted.iter().map(BanRow::from).collect(),
    }
}

/// The event names nobody: the data of a client is erased from the events too.
pub(super) async fn forget(
    State(admin): State<Admin>,
    Extension(caller): Extension<Caller>,
    Body(client): Body<Client>,
) -> Result<Response, ApiError> {
    let client = address("address", &client.address)?;
    let forget = move |guard: &Guard| {
        guard.forget(client);
        let forgotten = Forgotten {
            network: guard.client_network(client).to_string(),
        };
        let change = Change::new(
            AuditAction::Forget,
            None,
            "the data of one client is erased",
        );
        Ok((forgotten, change))
    };
    admin
        .change(caller, forget)
        .await
        .map(|forgotten| ok(&forgotten))
}

// === impl NewEntry ===

impl NewEntry {
    pub(super) fn parse(&self) -> Result<(std::net::IpAddr, std::time::Duration), ApiError> {
        let client = address("address", &self.address)?;
        let period = parse_period(&self.period).map_err(|error| ApiError::invalid("for", error))?;
        check_reason(&self.reason).map_err(|error| ApiError::invalid("reason", error))?;
        Ok((client, period))
    }
}

// === impl FilterParams ===

impl FilterParams {
    fn filter(&self, now: SystemTime) -> Result<Filter, ApiError> {
        let invalid = |field| move |error: String| ApiError::invalid(field, error);
        let network = self.network.as_deref().map(parse_network).transpose();
        let since = self.since.as_deref().map(|since| parse_since(since, now));
        Ok(Filter {
            network: network.map_err(invalid("network"))?,
            rule: self.rule.clone(),
            reason: self.reason.as_deref().map(str::to_lowercase),
            since: since.transpose().map_err(invalid("since"))?,
        })
    }

    /// The conditions as text, for audit events.
    fn conditions(&self) -> String {
        let given = [
            ("network", &self.network),
            ("rule", &self.rule),
            ("reason", &self.reason),
            ("since", &self.since),
        ];
        let given = given
            .iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let given = given.map(|(name, value)| format!("{name}={value}"));
        given.collect::<Vec<_>>().join(" ")
    }

    fn sort(&self) -> Result<Sort, ApiError> {
        let Some(text) = &self.sort else {
            return Ok(Sort {
                key: SortKey::Until,
                is_descending: false,
            });
        };
        let (is_descending, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text.as_str()),
        };
        let key = match name {
            "network" => SortKey::Network,
            "offenses" => SortKey::Offenses,
            "rule" => SortKey::Rule,
            "since" => SortKey::Since,
            "until" => SortKey::Until,
            _ => {
                let error = format!(
                    "unknown order `{}`: write network, offenses, rule, since or until, with `-` in front for descending",
                    text.escape_debug()
                );
                return Err(ApiError::invalid("sort", error));
            }
        };
        Ok(Sort { key, is_descending })
    }

    fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = &self.limit else {
            return Ok(usize::MAX);
        };
        text.parse().map_err(|_| {
            let error = format!("invalid limit `{}`: write a number", text.escape_debug());
            ApiError::invalid("limit", error)
        })
    }
}

// === impl Filter ===

impl Filter {
    fn matches(&self, ban: &BanRecord) -> bool {
        let overlaps =
            |network: &IpNet| network.contains(&ban.network) || ban.network.contains(network);
        let has_reason = |part: &String| {
            let reason: Option<&Arc<str>> = ban.reason.as_ref();
            reason.is_some_and(|reason| reason.to_lowercase().contains(part.as_str()))
        };
        self.network.as_ref().is_none_or(overlaps)
            && self.rule.as_ref().is_none_or(|rule| ban.by == **rule)
            && self.reason.as_ref().is_none_or(has_reason)
            && self.since.is_none_or(|since| ban.since >= since)
    }
}

// === impl Sort ===

impl Sort {
    fn compare(self, one: &BanRecord, other: &BanRecord) -> Ordering {
        let order = match self.key {
            SortKey::Network => one.network.cmp(&other.network),
            SortKey::Offenses => one.offenses.cmp(&other.offenses),
            SortKey::Rule => one.by.as_str().cmp(other.by.as_str()),
            SortKey::Since => one.since.cmp(&other.since),
            SortKey::Until => one.until.cmp(&other.until),
        };
        if self.is_descending {
            order.reverse()
        } else {
            order
        }
    }
}
