//! Refuses clients.

mod config;

use std::{net::IpAddr, sync::Arc, time::Duration};

use gabion_core::{BanOutcome, Bans, ClientIp, Facts, Inspect, Mode, Now, Offence, Trace, Verdict};

pub use config::BanConfig;

use crate::ConfigError;

/// Refuses clients.
#[derive(Debug)]
pub struct Ban;

/// Timed bans.
#[derive(Debug)]
pub struct BanTable;

/// A compiled set of networks.
#[derive(Debug)]
pub struct IpRanges;

/// A parsed list.
#[derive(Clone, Debug)]
pub struct List;

/// Why a list is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}:{line}:{column}: {problem}")]
pub struct ListError {
    /// The list.
    pub name: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// What is wrong there.
    pub problem: String,
}

/// A ban in force.
#[derive(Clone, Debug)]
pub struct Standing;

impl List {
    /// Parses.
    pub fn parse(name: &str, text: &str) -> Result<Self, ListError> {
        let _ = (name, text);
        Ok(Self)
    }
    /// How many networks it holds.
    pub fn len(&self) -> usize {
        0
    }
    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        true
    }
}

impl BanTable {
    /// A table of at most `capacity` bans.
    pub fn new(capacity: usize) -> Self {
        let _ = capacity;
        Self
    }
    /// The ban that `client` is under.
    pub fn standing(&self, client: &ClientIp, now: Now) -> Option<Standing> {
        let _ = (client, now);
        None
    }
}

impl Bans for BanTable {
    fn ban(&self, _client: &ClientIp, _offence: &Offence, _now: Now) -> BanOutcome {
        BanOutcome::Standing
    }
}

impl IpRanges {
    /// Looks up.
    pub fn find(&self, addr: IpAddr) -> Option<Duration> {
        let _ = addr;
        None
    }
}

impl Ban {
    /// Compiles `config` and the `lists` that its files held.
    pub fn compile(config: &BanConfig, lists: Vec<List>, mode: Mode, table: Arc<BanTable>) -> Result<Self, Vec<ConfigError>> {
        let _ = (config, lists, mode, table);
        Ok(Self)
    }
}

impl Inspect for Ban {
    fn name(&self) -> &'static str {
        "ban"
    }

    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut Trace) -> Verdict {
        Verdict::Pass
    }
}
