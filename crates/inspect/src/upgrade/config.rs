//! The `[upgrade]` section.

use std::{num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Compression, Ping, RouteConfig, origin::Origin};
use crate::{ByteRate, ByteRateLimit, ByteSize, OneOrMany, Period, Rate};

/// The `[upgrade]` section: rules for WebSocket handshakes, and limits of open WebSockets. Compiles
/// to [`CompiledUpgrade`](crate::CompiledUpgrade).
///
/// # Examples
///
/// ```
/// use gabion_inspect::{Config, Context, State, UpgradeConfig};
///
/// let context = Context::new(&State::scratch());
/// let config: UpgradeConfig = toml::from_str("origins = 'https://app.example'\nmessages = '50/s'")?;
/// assert!(config.compile(&context).is_ok());
///
/// let config: UpgradeConfig = toml::from_str("origins = 'app.example'")?;
/// let errors = config.compile(&context).unwrap_err();
/// assert_eq!(
///     errors[0].to_string(),
///     "upgrade.origins[0]: invalid value `app.example`: write an origin such as \
///      `https://app.example` or `capacitor://localhost`",
/// );
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct UpgradeConfig {
    /// Origins whose pages may open WebSockets, such as `"https://app.example"`, and those of apps and
    /// extensions, such as `"capacitor://localhost"`, `"file://"` or `"null"`. If empty, only
    /// pages of the server itself may, as far as the handshake has cookies or credentials: of the
    /// requested host, of a host that a trusted proxy forwards in `X-Forwarded-Host`, and of the
    /// names of the server ([`Handshake::with_hosts`](crate::Handshake::with_hosts)).
    #[serde(skip_serializing_if = "is_empty")]
    pub origins: OneOrMany,
    /// Allowed subprotocols. If empty, all are allowed. A handshake that offers only others is
    /// denied.
    #[serde(skip_serializing_if = "is_empty")]
    pub subprotocols: OneOrMany,
    /// The rate of handshakes per client, such as `"10/s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshakes: Option<Rate>,
    /// The largest number of open WebSockets per client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sockets_per_client: Option<NonZeroU32>,
    /// The largest number of open WebSockets in total.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sockets: Option<NonZeroU32>,
    /// The largest size of a message from a client. Default: 1 MiB.
    pub max_message: ByteSize,
    /// The largest number of frames per message. Default: 1024.
    pub max_fragments: NonZeroU32,
    /// The largest ratio of a message's inflated size to its compressed size, for messages that
    /// inflate to more than 64 KiB. Default: 1032, the highest that DEFLATE reaches.
    pub max_inflate_ratio: NonZeroU32,
    /// The memory of messages that are incomplete or wait for the service, over all WebSockets; at
    /// least twice `max_message`. Default: [`Self::MAX_BUFFERED`], or eight times `max_message` if
    /// that is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_buffered: Option<ByteSize>,
    /// The longest time from the first byte of a message to its last. Default: 1 minute.
    pub message_time: Period,
    /// The rate of messages from a client per WebSocket, such as `"50/s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Rate>,
    /// The byte rate from a client per WebSocket, such as `"64KiB/s"`; at least `max_message` per
    /// second. Inflated messages count with their inflated size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<ByteRate>,
    /// The rate of control frames (ping, pong, close) from a client per WebSocket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controls: Option<Rate>,
    /// The rate of messages from a client over all its WebSockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_messages: Option<Rate>,
    /// The byte rate from a client over all its WebSockets, or `"off"`; at least `max_message` per
    /// second. Inflated messages count with their inflated size. Default where messages are
    /// inflated: [`Self::INFLATED_CLIENT_BYTES`], or `max_message` per second if that is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_bytes: Option<ByteRateLimit>,
    /// The longest time in which a client reads none of the data that the server has for it.
    /// Default: 30 seconds.
    pub write_stall: Period,
    /// The idle time after which a client is pinged, at least 100 ms, or `"off"`. Default:
    /// [`Ping::DEFAULT`].
    pub ping: Ping,
    /// The handling of compression where `[[message]]` rules apply.
    pub compression: Compression,
    /// Paths with different rules.
    #[serde(rename = "route", skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteConfig>,
}

impl Default for UpgradeConfig {
    fn default() -> Self {
        Self {
            origins: OneOrMany::default(),
            subprotocols: OneOrMany::default(),
            handshakes: None,
            sockets_per_client: None,
            sockets: None,
            max_message: ByteSize(1 << 20),
            max_fragments: NonZeroU32::new(1024).unwrap_or(NonZeroU32::MIN),
            max_inflate_ratio: NonZeroU32::new(1032).unwrap_or(NonZeroU32::MIN),
            max_buffered: None,
            message_time: Period(Duration::from_mins(1)),
            messages: None,
            bytes: None,
            controls: None,
            client_messages: None,
            client_bytes: None,
            write_stall: Period(Duration::from_secs(30)),
            ping: Ping::default(),
            compression: Compression::default(),
            routes: Vec::new(),
        }
    }
}

fn is_empty(strings: &OneOrMany) -> bool {
    strings.is_empty()
}

// === impl UpgradeConfig ===

impl UpgradeConfig {
    /// The default of `client_bytes` where messages are inflated: more than a line of 100 Mbit/s
    /// carries, so that only compressed messages, or a client in a data center, can exceed it; and
    /// a few percent of a core.
    pub const INFLATED_CLIENT_BYTES: ByteRate = ByteRate(16 << 20);

    /// The default of `max_buffered`.
    pub const MAX_BUFFERED: ByteSize = ByteSize(64 << 20);

    /// Returns `true` if origins are configured for every path, so that pages of other origins
    /// cannot open WebSockets. The origin `null`, which any page can have, is not one that does this.
    pub fn names_origins(&self) -> bool {
        let is_null = |origin: &String| origin.eq_ignore_ascii_case(Origin::NULL);
        let names = |origins: &OneOrMany| !origins.is_empty() && !origins.iter().any(is_null);
        let routes = self.routes.iter();
        let mut own = routes.filter_map(|route| route.origins.as_ref());
        names(&self.origins) && own.all(names)
    }

    /// Returns the section for `route`, without routes: the keys of the route, and those of this
    /// section that it omits.
    pub(super) fn for_route(&self, route: &RouteConfig) -> Self {
        let list =
            |own: &Option<OneOrMany>, default: &OneOrMany| own.as_ref().unwrap_or(default).clone();
        Self {
            origins: list(&route.origins, &self.origins),
            subprotocols: list(&route.subprotocols, &self.subprotocols),
            handshakes: route.handshakes.or(self.handshakes),
            sockets_per_client: route.sockets_per_client.or(self.sockets_per_client),
            sockets: route.sockets.or(self.sockets),
            max_message: route.max_message.unwrap_or(self.max_message),
            max_fragments: route.max_fragments.unwrap_or(self.max_fragments),
            max_inflate_ratio: route.max_inflate_ratio.unwrap_or(self.max_inflate_ratio),
            max_buffered: self.max_buffered,
            message_time: route.message_time.unwrap_or(self.message_time),
            messages: route.messages.or(self.messages),
            bytes: route.bytes.or(self.bytes),
            controls: route.controls.or(self.controls),
            client_messages: route.client_messages.or(self.client_messages),
            client_bytes: route.client_bytes.or(self.client_bytes),
            write_stall: route.write_stall.unwrap_or(self.write_stall),
            ping: route.ping.unwrap_or(self.ping),
            compression: route.compression.unwrap_or(self.compression),
            routes: Vec::new(),
        }
    }
}
