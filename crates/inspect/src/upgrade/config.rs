//! What handshakes and sockets are held to.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::RouteConfig;
use crate::{ByteRate, ByteSize, OneOrMany, Period, Rate, config::serde_as_text};

/// Section `[upgrade]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "plain data, written by hand")]
pub struct UpgradeConfig {
    /// The origins whose pages may open sockets, such as `"https://app.example"`. Where none is given,
    /// pages of the host that is asked, as far as cookies or credentials are sent along.
    #[serde(skip_serializing_if = "is_empty")]
    pub origins: OneOrMany,
    /// The subprotocols that may be spoken; any where none is given. A handshake that offers others
    /// only is refused.
    #[serde(skip_serializing_if = "is_empty")]
    pub subprotocols: OneOrMany,
    /// How many handshakes one client may send, `"10/s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshakes: Option<Rate>,
    /// The most open sockets of one client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sockets_per_client: Option<NonZeroU32>,
    /// The most open sockets in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sockets: Option<NonZeroU32>,
    /// The most bytes in one message from a client.
    pub max_message: ByteSize,
    /// The most frames of one message.
    pub max_fragments: NonZeroU32,
    /// How long a message may take from its first byte to its last.
    pub message_time: Period,
    /// How many messages a client may send on one socket, `"50/s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Rate>,
    /// How many bytes a client may send on one socket, `"64KiB/s"`; no fewer than `max_message`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<ByteRate>,
    /// How many control frames (ping, pong, close) a client may send on one socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controls: Option<Rate>,
    /// How many messages a client may send on all its sockets together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_messages: Option<Rate>,
    /// How many bytes a client may send on all its sockets together; no fewer than `max_message`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_bytes: Option<ByteRate>,
    /// How long a client may take nothing of what the server has for it.
    pub write_stall: Period,
    /// How long a client may be silent before it is pinged, 100 ms at least; `"off"` for never.
    pub ping: Ping,
    /// What becomes of compression where `[[message]]` rules read.
    pub compression: Compression,
    /// Paths that are held to something else.
    #[serde(rename = "route", skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteConfig>,
}

/// When a silent client is pinged: after a [`Period`], or never (`"off"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a period, or none")]
pub struct Ping(
    /// The period; `None` for never.
    pub Option<Period>,
);

/// Why a text says nothing of pings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is neither a length of time such as 25s nor \"off\"", gabion_core::Escaped(.0.as_bytes()))]
pub struct PingError(pub(super) String);

/// What becomes of an offer to compress messages that are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "it is taken off, or read")]
pub enum Compression {
    /// The offer is taken off the handshake, so that messages come as they are.
    #[default]
    Decline,
    /// Messages are inflated to be read.
    Inflate,
}

serde_as_text!(Ping, "a length of time such as \"25s\", or \"off\"");

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
    /// Whether origins are named for every path, so that no other pages open sockets.
    pub fn names_origins(&self) -> bool {
        let routes = self.routes.iter();
        let mut own = routes.filter_map(|route| route.origins.as_ref());
        !self.origins.is_empty() && !own.any(|origins| origins.is_empty())
    }
}

// === impl Ping ===

impl Ping {
    /// Unless another is asked for: what balancers wait for at least, halved, so that one may be lost.
    pub const DEFAULT: Duration = Duration::from_secs(25);
    /// The shortest that is compiled.
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
