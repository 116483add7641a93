//! The `[[upgrade.route]]` section.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{Compression, Ping, UpgradeConfig};
use crate::{ByteRate, ByteSize, OneOrMany, Period, Rate};

/// A `[[upgrade.route]]` section. Omitted keys are inherited from [`UpgradeConfig`].
///
/// WebSockets are counted by route: a limit applies to the WebSockets on this path.
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
    /// See [`UpgradeConfig::origins`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origins: Option<OneOrMany>,
    /// See [`UpgradeConfig::subprotocols`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subprotocols: Option<OneOrMany>,
    /// See [`UpgradeConfig::handshakes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshakes: Option<Rate>,
    /// See [`UpgradeConfig::sockets_per_client`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets_per_client: Option<NonZeroU32>,
    /// See [`UpgradeConfig::sockets`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<NonZeroU32>,
    /// See [`UpgradeConfig::max_message`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_message: Option<ByteSize>,
    /// See [`UpgradeConfig::max_fragments`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_fragments: Option<NonZeroU32>,
    /// See [`UpgradeConfig::message_time`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_time: Option<Period>,
    /// See [`UpgradeConfig::messages`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Rate>,
    /// See [`UpgradeConfig::bytes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<ByteRate>,
    /// See [`UpgradeConfig::controls`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controls: Option<Rate>,
    /// See [`UpgradeConfig::client_messages`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_messages: Option<Rate>,
    /// See [`UpgradeConfig::client_bytes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_bytes: Option<ByteRate>,
    /// See [`UpgradeConfig::write_stall`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_stall: Option<Period>,
    /// See [`UpgradeConfig::ping`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping: Option<Ping>,
    /// See [`UpgradeConfig::compression`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
}

impl RouteConfig {
    /// Returns the section for this route, without routes: its own keys, and those of `section`
    /// that it omits.
    pub(super) fn with_defaults(&self, section: &UpgradeConfig) -> UpgradeConfig {
        let list =
            |own: &Option<OneOrMany>, default: &OneOrMany| own.as_ref().unwrap_or(default).clone();
        UpgradeConfig {
            origins: list(&self.origins, &section.origins),
            subprotocols: list(&self.subprotocols, &section.subprotocols),
            handshakes: self.handshakes.or(section.handshakes),
            sockets_per_client: self.sockets_per_client.or(section.sockets_per_client),
            sockets: self.sockets.or(section.sockets),
            max_message: self.max_message.unwrap_or(section.max_message),
            max_fragments: self.max_fragments.unwrap_or(section.max_fragments),
            message_time: self.message_time.unwrap_or(section.message_time),
            messages: self.messages.or(section.messages),
            bytes: self.bytes.or(section.bytes),
            controls: self.controls.or(section.controls),
            client_messages: self.client_messages.or(section.client_messages),
            client_bytes: self.client_bytes.or(section.client_bytes),
            write_stall: self.write_stall.unwrap_or(section.write_stall),
            ping: self.ping.unwrap_or(section.ping),
            compression: self.compression.unwrap_or(section.compression),
            routes: Vec::new(),
        }
    }
}
