//! The `[ban]` section.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, de};

use gabion_core::Mode;

use super::{AddressShare, BanFiles, CrawlerConfig, List, ListEffect, without_bans::WithoutBans};
use crate::{ConfigError, ConfigPath, Network, Period, serde_mode};

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
    /// The duration of the first ban of a client by rules that do not set their own. Default: 10 minutes.
    pub first: Period,
    /// The factor by which each further ban of a client is longer, 1 to 100. Default: 4.
    #[serde(deserialize_with = "factor")]
    pub growth: u8,
    /// The longest ban to which repeated offenses lead. Default: 30 days.
    pub longest: Period,
    /// The time after the end of a client's last ban in which half of its offenses are forgotten. Default:
    /// 7 days.
    pub forget: Period,
    /// Bans of the /24 or /48 around several banned clients.
    pub neighbors: NeighborsConfig,
    /// Crawlers that are denied but never banned, if their address is verified by DNS. Default: none, since
    /// lookups leave the machine. The server performs them
    /// ([`BanArbiter::next_crawler_lookup`](crate::BanArbiter::next_crawler_lookup)).
    pub crawlers: Vec<CrawlerConfig>,
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

/// The `[ban.neighbors]` section: bans the /24 (IPv4) or /48 (IPv6) around clients once several of them
/// are banned.
///
/// A network in which some client is in good standing is never banned, since others share it; nor is one that
/// [`Self::except`] touches: name there the networks of carriers, crawlers and cloud egress whose users
/// visit you.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct NeighborsConfig {
    /// The number of banned clients that ban their network, 2 to 16. Default: 8.
    #[serde(deserialize_with = "neighbors")]
    pub clients: u8,
    /// The time within which they are banned. Default: 1 day.
    pub within: Period,
    /// The mode; observe if unset.
    #[serde(with = "serde_mode")]
    pub mode: Option<Mode>,
    /// Networks that are never banned as a whole.
    pub except: Vec<Network>,
}

/// The settings that decide which offenses become bans: those of a [`BanConfig`], with the content of its
/// [`ListEffect::NoBan`] files. Taken over by [`BanArbiter::configure`](crate::BanArbiter::configure).
#[derive(Clone, Debug, Default)]
pub struct BanSettings {
    pub(super) config: BanConfig,
    pub(super) without_bans: Option<Arc<WithoutBans>>,
}

impl Default for BanConfig {
    fn default() -> Self {
        Self {
            networks: Vec::new(),
            files: BanFiles::default(),
            max_share: AddressShare::BAN_LIST,
            first: Period(Duration::from_mins(10)),
            growth: 4,
            longest: Period(Duration::from_hours(30 * 24)),
            forget: Period(Duration::from_hours(7 * 24)),
            neighbors: NeighborsConfig::default(),
            crawlers: Vec::new(),
            most_per_minute: 60,
            most_percent: 20,
        }
    }
}

impl Default for NeighborsConfig {
    fn default() -> Self {
        Self {
            clients: 8,
            within: Period(Duration::from_hours(24)),
            mode: None,
            except: Vec::new(),
        }
    }
}

impl NeighborsConfig {
    /// The largest value of [`Self::clients`].
    pub const MOST: u8 = 16;
}

fn factor<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    number(from, 1, 100, "factor")
}

fn neighbors<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    number(from, 2, NeighborsConfig::MOST, "number of clients")
}

fn number<'de, D: Deserializer<'de>>(
    from: D,
    least: u8,
    most: u8,
    name: &str,
) -> Result<u8, D::Error> {
    match u64::deserialize(from)? {
        value if (least.into()..=most.into()).contains(&value) => {
            Ok(u8::try_from(value).unwrap_or(most))
        }
        other => Err(de::Error::custom(format_args!(
            "invalid {name} {other}: write {least} to {most}"
        ))),
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

// === impl BanSettings ===

impl BanSettings {
    /// Takes the settings of `config`, whose files have the content `lists`, in that order.
    ///
    /// # Errors
    ///
    /// More networks than [`IpRanges`](crate::IpRanges) holds.
    pub fn new(config: &BanConfig, lists: &[List]) -> Result<Self, ConfigError> {
        let without_bans: Vec<_> = config.lists(lists, ListEffect::NoBan).collect();
        let without_bans = WithoutBans::build(&without_bans)
            .map_err(|problem| ConfigPath::new("ban", "files").error(problem))?;
        Ok(Self {
            config: config.clone(),
            without_bans: (!without_bans.is_empty()).then(|| Arc::new(without_bans)),
        })
    }
}

// === impl BanConfig ===

impl BanConfig {
    /// Returns those of `lists`, the content of [`Self::files`] in that order, that have an effect.
    pub(super) fn lists<'l>(
        &self,
        lists: &'l [List],
        effect: ListEffect,
    ) -> impl Iterator<Item = &'l List> {
        let files = self.files.iter().zip(lists);
        files.filter_map(move |(file, list)| (file.effect == effect).then_some(list))
    }

    /// Returns [`Self::networks`] as a list with the name `ban.networks`.
    pub fn list(&self) -> List {
        List::inline(
            "ban.networks",
            self.networks.iter().copied().map(Network::net),
        )
    }
}
