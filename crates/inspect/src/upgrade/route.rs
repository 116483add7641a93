//! The `[[upgrade.route]]` section.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{Compression, Ping};
use crate::{ByteRate, ByteRateLimit, ByteSize, OneOrMany, Period, Rate};

/// A `[[upgrade.route]]` section. Omitted keys are inherited from
/// [`UpgradeConfig`](crate::UpgradeConfig).
///
/// WebSockets are counted by route: a limit applies to the WebSockets on this path. Only
/// [`UpgradeConfig::max_buffered`](crate::UpgradeConfig::max_buffered) applies to all routes together.
///
/// # Examples
///
/// ```
/// use gabion_inspect::UpgradeConfig;
///
/// let config: UpgradeConfig = toml::from_str("[[route]]\npath = '/chat'\nmessages = '10/s'")?;
/// assert_eq!(config.routes[0].path, "/chat");
/// assert!(toml::from_str::<UpgradeConfig>("[[route]]\nmessages = '10/s'").is_err());
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RouteConfig {
    /// The path, with everything below it, by segment, in any view of the path.
    pub path: String,
    /// Marks the path as WebSocket-only, so that plain HTTP requests are denied with 426.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only: bool,
    /// See [`UpgradeConfig::origins`](crate::UpgradeConfig::origins).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origins: Option<OneOrMany>,
    /// See [`UpgradeConfig::subprotocols`](crate::UpgradeConfig::subprotocols).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subprotocols: Option<OneOrMany>,
    /// See [`UpgradeConfig::handshakes`](crate::UpgradeConfig::handshakes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshakes: Option<Rate>,
    /// See [`UpgradeConfig::sockets_per_client`](crate::UpgradeConfig::sockets_per_client).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets_per_client: Option<NonZeroU32>,
    /// See [`UpgradeConfig::sockets`](crate::UpgradeConfig::sockets).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<NonZeroU32>,
    /// See [`UpgradeConfig::max_message`](crate::UpgradeConfig::max_message).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_message: Option<ByteSize>,
    /// See [`UpgradeConfig::max_fragments`](crate::UpgradeConfig::max_fragments).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_fragments: Option<NonZeroU32>,
    /// See [`UpgradeConfig::max_inflate_ratio`](crate::UpgradeConfig::max_inflate_ratio).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_inflate_ratio: Option<NonZeroU32>,
    /// See [`UpgradeConfig::message_time`](crate::UpgradeConfig::message_time).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_time: Option<Period>,
    /// See [`UpgradeConfig::messages`](crate::UpgradeConfig::messages).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Rate>,
    /// See [`UpgradeConfig::bytes`](crate::UpgradeConfig::bytes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<ByteRate>,
    /// See [`UpgradeConfig::controls`](crate::UpgradeConfig::controls).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controls: Option<Rate>,
    /// See [`UpgradeConfig::client_messages`](crate::UpgradeConfig::client_messages).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_messages: Option<Rate>,
    /// See [`UpgradeConfig::client_bytes`](crate::UpgradeConfig::client_bytes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_bytes: Option<ByteRateLimit>,
    /// See [`UpgradeConfig::write_stall`](crate::UpgradeConfig::write_stall).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_stall: Option<Period>,
    /// See [`UpgradeConfig::ping`](crate::UpgradeConfig::ping).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping: Option<Ping>,
    /// See [`UpgradeConfig::compression`](crate::UpgradeConfig::compression).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
}
