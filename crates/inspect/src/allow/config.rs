//! The `[allow]` section.

use serde::{Deserialize, Serialize};

use crate::{Network, OneOrMany};

/// The `[allow]` section: clients and paths that no rule denies. Compiles to
/// [`Allow`](crate::Allow).
///
/// # Examples
///
/// ```
/// use gabion_inspect::{AllowConfig, Config, Context, State};
///
/// let context = Context::new(&State::scratch());
/// let config: AllowConfig = toml::from_str("networks = ['203.0.113.63']\npaths = ['/.well-known']")?;
/// assert!(config.compile(&context).is_ok());
///
/// let config: AllowConfig = toml::from_str("paths = ['/']")?;
/// let errors = config.compile(&context).unwrap_err();
/// assert_eq!(errors[0].to_string(), "allow.paths[0]: invalid path `/`: it would allow every request");
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AllowConfig {
    /// Client networks that are never banned or denied.
    pub networks: Vec<Network>,
    /// Paths below which requests are never banned or denied, by segment.
    pub paths: OneOrMany,
}
