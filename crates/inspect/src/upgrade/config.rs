//! The `[upgrade]` section.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::RouteConfig;
use crate::{ByteRate, ByteSize, OneOrMany, Period, Rate, config::serde_as_text};

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
///     "upgrade.origins[0]: invalid value `app.example`: write an origin such as `https://app.example`",
/// );
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct UpgradeConfig {
    /// Origins whose pages may open WebSockets, such as `"https://app.example"`. If empty, only
    /// pages of the requested host may, as far as the handshake has cookies or credentials.
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
    /// The longest time from the first byte of a message to its last. Default: 1 minute.
    pub message_time: Period,
    /// The rate of messages from a client per WebSocket, such as `"50/s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Rate>,
    /// The byte rate from a client per WebSocket, such as `"64KiB/s"`; at least `max_message` per
    /// second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<ByteRate>,
    /// The rate of control frames (ping, pong, close) from a client per WebSocket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controls: Option<Rate>,
    /// The rate of messages from a client over all its WebSockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_messages: Option<Rate>,
    /// The byte rate from a client over all its WebSockets; at least `max_message` per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_bytes: Option<ByteRate>,
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

/// The idle time after which a client is pinged: a [`Period`], or never (`"off"`).
///
/// # Examples
///
/// ```
/// use gabion_inspect::Ping;
///
/// assert_eq!("off".parse(), Ok(Ping(None)));
/// assert_eq!("25s".parse(), Ok(Ping::default()));
/// assert!("never".parse::<Ping>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a newtype of an optional period")]
pub struct Ping(
    /// The idle time, or `None` for never.
    pub Option<Period>,
);

/// The error of a text that is not a [`Ping`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid ping `{}`: write a duration such as `25s`, or `off`", gabion_core::Escaped(.0.as_bytes()))]
pub struct PingError(pub(super) String);

/// The handling of an offer to compress messages that a [`MessageRule`](crate::MessageRule) must
/// read ([`UpgradeConfig::compression`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "an offer is declined or accepted")]
pub enum Compression {
    /// Removes the offer from the handshake, so that messages are not compressed.
    #[default]
    Decline,
    /// Accepts the offer and inflates messages to read them.
    Inflate,
}

serde_as_text!(Ping, "a duration such as \"25s\", or \"off\"");

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
    /// Returns `true` if origins are configured for every path, so that pages of other origins
    /// cannot open WebSockets.
    pub fn names_origins(&self) -> bool {
        let routes = self.routes.iter();
        let mut own = routes.filter_map(|route| route.origins.as_ref());
        !self.origins.is_empty() && !own.any(|origins| origins.is_empty())
    }
}

// === impl Ping ===

impl Ping {
    /// The default: half the shortest idle timeout of common load balancers, so that one ping may
    /// be lost.
    pub const DEFAULT: Duration = Duration::from_secs(25);
    /// The shortest supported idle time.
    pub const SHORTEST: Duration = Duration::from_millis(100);
}

impl Default for Ping {
    fn default() -> Self {
        Self(Some(Period(Self::DEFAULT)))
    }
}

impl FromStr for Ping {
    type Err = PingError;

    fn from_str(text: &str) -> Result<Self, PingError> {
        if text == "off" {
            return Ok(Self(None));
        }
        let period = text.parse().map(|period| Self(Some(period)));
        period.map_err(|_| PingError(text.to_owned()))
    }
}

impl fmt::Display for Ping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(period) => period.fmt(f),
            None => f.write_str("off"),
        }
    }
}
