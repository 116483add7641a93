//! Who is banned from the start, and for how long others are.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{AddressShare, List};
use crate::{Network, OneOrMany, Period};

/// Section `[ban]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "plain data, written by hand")]
pub struct BanConfig {
    /// Clients that are always refused.
    pub networks: Vec<Network>,
    /// Files of such networks beside the document, in any format that [`List::parse`] reads.
    pub files: OneOrMany,
    /// How much of the addresses in use a list may cover, of IPv4 and of IPv6.
    pub max_share: AddressShare,
    /// How long a rule that bans does so, unless it says otherwise.
    pub first: Period,
    /// How many clients rules may ban within a minute. Beyond it they are only denied, aloud.
    pub most_per_minute: u32,
    /// How many of a hundred clients rules may ban within ten minutes, once fifty are there.
    #[serde(deserialize_with = "percent")]
    pub most_percent: u8,
}

impl Default for BanConfig {
    fn default() -> Self {
        Self {
            networks: Vec::new(),
            files: OneOrMany::default(),
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
            "{other} is not 0 to 100 of a hundred"
        ))),
    }
}

// === impl BanConfig ===

impl BanConfig {
    /// The networks that stand in the document itself, as a list called `ban.networks`.
    pub fn list(&self) -> List {
        List::inline(
            "ban.networks",
            self.networks.iter().copied().map(Network::net),
        )
    }
}
