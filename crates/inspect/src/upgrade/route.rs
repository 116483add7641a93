//! What sockets of one path are held to.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{Compression, Ping, UpgradeConfig};
use crate::{ByteRate, ByteSize, OneOrMany, Period, Rate};

/// One `[[upgrade.route]]`: what is left out is as `[upgrade]` says.
///
/// Sockets are counted by route: what a figure allows, it allows on this path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "plain data, written by hand")]
pub struct RouteConfig {
    /// The path and everything under it, by segment, in any view of it.
    pub path: String,
    /// Whether the path is a WebSocket and nothing else, so that whoever asks for it with plain HTTP
    /// is told what to use.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only: bool,
    /// As in [`UpgradeConfig::origins`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origins: Option<OneOrMany>,
    /// As in [`UpgradeConfig::subprotocols`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subprotocols: Option<OneOrMany>,
    /// As in [`UpgradeConfig::handshakes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshakes: Option<Rate>,
    /// As in [`UpgradeConfig::sockets_per_client`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets_per_client: Option<NonZeroU32>,
    /// As in [`UpgradeConfig::sockets`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<NonZeroU32>,
    /// As in [`UpgradeConfig::max_message`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_message: Option<ByteSize>,
    /// As in [`UpgradeConfig::max_fragments`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_fragments: Option<NonZeroU32>,
    /// As in [`UpgradeConfig::message_time`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_time: Option<Period>,
    /// As in [`UpgradeConfig::messages`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Rate>,
    /// As in [`UpgradeConfig::bytes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<ByteRate>,
    /// As in [`UpgradeConfig::controls`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controls: Option<Rate>,
    /// As in [`UpgradeConfig::client_messages`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_messages: Option<Rate>,
    /// As in [`UpgradeConfig::client_bytes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_bytes: Option<ByteRate>,
    /// As in [`UpgradeConfig::write_stall`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_stall: Option<Period>,
    /// As in [`UpgradeConfig::ping`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping: Option<Ping>,
    /// As in [`UpgradeConfig::compression`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
}

impl RouteConfig {
    /// What holds here, without routes: what this says, and what `section` says of the rest.
    pub(super) fn under(&self, section: &UpgradeConfig) -> UpgradeConfig {
        let strings =
            |own: &Option<OneOrMany>, else_: &OneOrMany| own.as_ref().unwrap_or(else_).clone();
        UpgradeConfig {
            origins: strings(&self.origins, &section.origins),
            subprotocols: strings(&self.subprotocols, &section.subprotocols),
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
