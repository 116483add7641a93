//! The `[ban]` section.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{AddressShare, BanFiles, List};
use crate::{Network, Period};

/// The `[ban]` section: ban lists, the default ban duration and the ban budget. Compiles to
/// [`Ban`](crate::Ban).
///
/// # Examples
///
/// ```
/// use gabion_inspect::BanConfig;
///
/// let config: BanConfig = toml::from_str("networks = ['192.0.2.0/24']\nfirst = '1h'")?;
/// assert_eq!(config.list().len(), 1);
/// assert!(toml::from_str::<BanConfig>("most_percent = 101").is_err());
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BanConfig {
    /// Client networks that are always denied.
    pub networks: Vec<Network>,
    /// Files with more client networks, relative to the policy document, in any format that
    /// [`List::parse`] accepts.
    pub files: BanFiles,
    /// The largest share of the addresses in use that a list may cover, for IPv4 and for IPv6.
    /// Default: 5 %.
    pub max_share: AddressShare,
    /// The duration of bans by rules that do not set their own. Default: 10 minutes.
    pub first: Period,
    /// The largest number of clients that rules may ban within a minute for offenses that a page could
    /// have caused; ten times as many for offenses that only the client itself can have caused.
    /// Clients over it are denied but not banned, and an event reports it. Default: 60.
    pub most_per_minute: u32,
    /// The largest percentage of active clients that rules may ban within ten minutes, once 50
    /// clients are active. Clients that the service has not answered with success lately count only
    /// for offenses that a page could have caused. Default: 20.
    #[serde(deserialize_with = "percent")]
    pub most_percent: u8,
}

impl Default for BanConfig {
    fn default() -> Self {
        Self {
            networks: Vec::new(),
            files: BanFiles::default(),
            max_share: AddressShare::BAN_LIST,
            first: Period(Duration::from_mins(10)),
            most_per_minute: 60,
            most_percent: 20,
        }
    }
}

fn percent<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    match u8::deserialize(from)? {
        percent @ 0..=100 => Ok(percent),
        other => Err(de::Error::custom(format_args!(
            "invalid percentage {other}: write 0 to 100"
        ))),
    }
}

// === impl BanConfig ===

impl BanConfig {
    /// Returns [`Self::networks`] as a list with the name `ban.networks`.
    pub fn list(&self) -> List {
        List::inline(
            "ban.networks",
            self.networks.iter().copied().map(Network::net),
        )
    }
}
