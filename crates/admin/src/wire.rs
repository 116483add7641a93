//! The JSON of the API, for the server and for clients.

use std::net::IpAddr;

use gabion::{
    ban::{AllowRecord, BanRecord, Imported},
    inspect::RuleId,
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{SubsystemStatus, Timestamp};

/// The most bytes of a reason.
pub(crate) const MAX_REASON: usize = 512;

/// An error: the body of a response with a status from 400 on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErrorBody {
    /// What is wrong, with the value that was given.
    pub error: String,
    /// The field or parameter that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The line of an import, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// `true` if the change is in force, but not durable.
    #[serde(default, skip_serializing_if = "is_false")]
    pub applied: bool,
}

/// A ban: a row of `GET /v1/bans`, a line of `GET /v1/export` and of `POST /v1/import`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BanRow {
    /// The banned network.
    pub network: String,
    /// The rule that banned it, `ban/operator` for an operator.
    pub rule: String,
    /// The reason of an operator, or the signals of a scan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The beginning.
    pub since: Timestamp,
    /// The end.
    pub until: Timestamp,
    /// The number of offenses that count; 0 for a ban by an operator.
    #[serde(default)]
    pub offenses: u32,
}

/// A temporary exemption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AllowRow {
    /// The network of the client.
    pub network: String,
    /// The reason of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The beginning.
    pub since: Timestamp,
    /// The end.
    pub until: Timestamp,
}

/// The response to `POST /v1/bans`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Banned {
    /// The ban in force: of two, the one that ends later.
    pub ban: BanRow,
    /// `true` if the client was banned before.
    pub already_banned: bool,
}

/// The response to `GET /v1/bans`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Bans {
    /// The rows, at most as many as the limit.
    pub bans: Vec<BanRow>,
    /// The number of bans that match.
    pub matching: usize,
}

/// The response to `DELETE /v1/bans`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lifted {
    /// The lifted bans.
    pub lifted: Vec<BanRow>,
}

/// The response to `POST /v1/allows`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Allowed {
    /// The exemption.
    pub allow: AllowRow,
    /// The networks whose bans it lifted.
    pub lifted: Vec<String>,
}

/// The response to `GET /v1/allows`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Allows {
    /// The exemptions in force, the one nearest its end first.
    pub allows: Vec<AllowRow>,
}

/// The response to `POST /v1/forget`, and to `DELETE /v1/allows/ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Forgotten {
    /// The network of the client.
    pub network: String,
}

/// The response to `POST /v1/import`: the number of lines by what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImportCounts {
    /// Networks that were not banned before.
    pub placed: usize,
    /// Networks that were banned already; the later end counts.
    pub already_banned: usize,
    /// Bans that have ended.
    pub ended: usize,
    /// Networks that the policy exempts from bans.
    pub exempt: usize,
}

/// The response to `POST /v1/check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Checked {
    /// What a reload would do.
    pub outcome: CheckOutcome,
    /// Counts of a valid document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The errors of an invalid document, or the warnings of a valid one, with file, line and column.
    pub messages: Vec<String>,
}

/// What a reload would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "a reload has three results")]
pub enum CheckOutcome {
    /// The document would be in force.
    Accepted,
    /// The document has errors.
    Invalid,
    /// The document is valid, and would be refused for what it removes.
    Shrinks,
}

/// The response to `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// The version of the program.
    pub version: String,
    /// The time since the start, in seconds.
    pub uptime_seconds: u64,
    /// As `/readyz`.
    pub ready: bool,
    /// The policy in force.
    pub policy: PolicyStatus,
    /// The time for which every rule only observes, in seconds; 0 if rules are enforced.
    pub observes_for_seconds: u64,
    /// The timed bans.
    pub bans: BansStatus,
    /// The number of open WebSockets and event streams.
    pub sessions: usize,
    /// The store of bans.
    pub store: SubsystemStatus,
    /// The connection to other instances.
    pub shared: SubsystemStatus,
}

/// The policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PolicyStatus {
    /// The path of its file, or a name.
    pub name: String,
    /// The number of policies that were in force before it.
    pub generation: u64,
    /// The number of its warnings.
    pub warnings: usize,
    /// The last document that was rejected, if none came into force since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<RejectedStatus>,
}

/// A document that did not come into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RejectedStatus {
    /// The time of the attempt.
    pub at: Timestamp,
    /// The errors.
    pub errors: String,
}

/// The number of timed bans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BansStatus {
    /// The bans held.
    pub count: usize,
    /// The most bans; beyond it the one nearest its end is dropped.
    pub capacity: usize,
    /// The temporary exemptions in force.
    pub allows: usize,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Checks a reason: at most [`MAX_REASON`] bytes, and no control characters, which would act in a terminal.
pub(crate) fn check_reason(reason: &str) -> Result<(), String> {
    if reason.len() > MAX_REASON {
        let length = reason.len();
        return Err(format!(
            "the reason has {length} bytes: at most {MAX_REASON} are allowed"
        ));
    }
    match reason.chars().find(|c| c.is_control()) {
        None => Ok(()),
        Some(c) => Err(format!(
            "the reason contains the control character `{}`",
            c.escape_debug()
        )),
    }
}

/// Parses the address of a client.
pub(crate) fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        let shown = text.escape_debug();
        if text.parse::<IpNet>().is_ok() {
            return format!(
                "`{shown}` is a network: give one address (an IPv6 client is banned with its /64), or add the network \
                 to [ban] networks of the policy"
            );
        }
        format!("invalid address `{shown}`: write it as `203.0.113.9` or `2001:db8::7`")
    })
}

/// Parses a network, or a single address.
pub(crate) fn parse_network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().ok();
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = network.or_else(address).ok_or_else(|| {
        let shown = text.escape_debug();
        format!("invalid network `{shown}`: write it as `203.0.113.0/24` or `2001:db8::/64`")
    })?;
    if network.trunc() == network {
        return Ok(network);
    }
    let (shown, meant) = (text.escape_debug(), network.trunc());
    Err(format!("`{shown}` has host bits set: write `{meant}`"))
}

// === impl ErrorBody ===

impl ErrorBody {
    pub(crate) fn new(error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            field: None,
            line: None,
            applied: false,
        }
    }
}

// === impl BanRow ===

impl BanRow {
    /// Converts the row to a ban, or returns the field that is wrong and why.
    pub(crate) fn record(self) -> Result<BanRecord, (&'static str, String)> {
        let network = parse_network(&self.network).map_err(|error| ("network", error))?;
        let by = RuleId::new(&self.rule).map_err(|error| ("rule", error.to_string()))?;
        if let Some(reason) = &self.reason {
            check_reason(reason).map_err(|error| ("reason", error))?;
        }
        if self.until < self.since {
            let (since, until) = (self.since, self.until);
            let error = format!("the ban ends at {until}, before it begins at {since}");
            return Err(("until", error));
        }
        Ok(BanRecord {
            network,
            by,
            reason: self.reason.map(Into::into),
            since: self.since.0,
            until: self.until.0,
            offenses: self.offenses,
        })
    }
}

impl From<&BanRecord> for BanRow {
    fn from(ban: &BanRecord) -> Self {
        Self {
            network: ban.network.to_string(),
            rule: ban.by.to_string(),
            reason: ban.reason.as_deref().map(str::to_owned),
            since: Timestamp(ban.since),
            until: Timestamp(ban.until),
            offenses: ban.offenses,
        }
    }
}

// === impl AllowRow ===

impl From<&AllowRecord> for AllowRow {
    fn from(allow: &AllowRecord) -> Self {
        Self {
            network: allow.network.to_string(),
            reason: allow.reason.as_deref().map(str::to_owned),
            since: Timestamp(allow.since),
            until: Timestamp(allow.until),
        }
    }
}

// === impl ImportCounts ===

impl From<Imported> for ImportCounts {
    fn from(imported: Imported) -> Self {
        Self {
            placed: imported.placed,
            already_banned: imported.already_banned,
            ended: imported.ended,
            exempt: imported.exempt,
        }
    }
}
