//! Bans, temporary exemptions and offenses with wall-clock times.

use std::{sync::Arc, time::SystemTime};

use ipnet::IpNet;

use crate::RuleId;

/// A timed ban as it is stored, listed and shared between instances.
///
/// Times are wall-clock times, which outlive the process. A running table counts the remaining time by
/// the monotonic clock, so a jump of the wall clock changes no ban until the next restart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a record of plain data")]
pub struct BanRecord {
    /// The banned network: that of a client ([`ClientIp::network`](crate::ClientIp::network)), or a
    /// surrounding /24 or /48.
    pub network: IpNet,
    /// The rule that banned it.
    pub by: RuleId,
    /// The reason that an operator gave, or the signals of a scan.
    pub reason: Option<Arc<str>>,
    /// The beginning of the ban.
    pub since: SystemTime,
    /// The end of the ban.
    pub until: SystemTime,
    /// The number of offenses that count for the length of the ban, this one included. 0 for a ban by an
    /// operator.
    pub offenses: u32,
}

/// A temporary exemption of a client from denials and bans, by an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a record of plain data")]
pub struct AllowRecord {
    /// The network of the client.
    pub network: IpNet,
    /// The reason that the operator gave.
    pub reason: Option<Arc<str>>,
    /// The beginning of the exemption.
    pub since: SystemTime,
    /// The end of the exemption.
    pub until: SystemTime,
}

/// The offenses of a client that lengthen its next ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a record of plain data")]
pub struct OffenseHistory {
    /// The network of the client.
    pub network: IpNet,
    /// The number of offenses, at least 1.
    pub offenses: u32,
    /// The end of its last ban, from which offenses are forgotten.
    pub last: SystemTime,
}

/// All bans, exemptions and offenses at one time: what a store restores, and what a listener that missed
/// updates takes over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a record of plain data")]
pub struct BanSnapshot {
    /// The bans in force.
    pub bans: Vec<BanRecord>,
    /// The temporary exemptions in force.
    pub allows: Vec<AllowRecord>,
    /// The offenses of clients, banned or not.
    pub offenses: Vec<OffenseHistory>,
}
