//! The `[scan]` section.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use gabion_core::Mode;
use serde::{Deserialize, Serialize};

use crate::Period;

/// The `[scan]` section: when a client is banned as a scanner. Without the section, no client is
/// scored. Compiles to [`Scan`](crate::Scan).
///
/// # Examples
///
/// ```
/// use gabion_inspect::{Config, Context, ScanConfig, State};
///
/// let context = Context::new(&State::scratch());
/// let config: ScanConfig = toml::from_str("ban_at = 150\nweights = { missing = 20 }")?;
/// assert!(config.compile(&context).is_ok());
///
/// let config: ScanConfig = toml::from_str("weights = { mising = 20 }")?;
/// let errors = config.compile(&context).unwrap_err();
/// assert_eq!(
///     errors[0].to_string(),
///     "scan.weights: invalid name `mising`: not the name of a signal",
/// );
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ScanConfig {
    /// The score at which a client is banned. Default: 100.
    pub ban_at: NonZeroU32,
    /// The half-life of scores. Default: 10 minutes.
    pub half_life: Period,
    /// The duration of bans. Default: [`BanConfig::first`](crate::BanConfig::first).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ban_for: Option<Period>,
    /// The mode. Default: the mode of the document.
    #[serde(with = "crate::serde_mode", skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Weights of signals by name, for those that differ from the defaults.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, u16>,
}

impl Default for ScanConfig {
    fn default() -> Self {
        Self {
            ban_at: NonZeroU32::new(100).unwrap_or(NonZeroU32::MIN),
            half_life: Period(Duration::from_mins(10)),
            ban_for: None,
            mode: None,
            weights: BTreeMap::new(),
        }
    }
}
