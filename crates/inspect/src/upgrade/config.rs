//! What handshakes and sockets are held to.

use std::{num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{ByteSize, Period, Rate, Strings};

/// Section `[upgrade]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "plain data, written by hand")]
pub struct UpgradeConfig {
    /// The origins whose pages may open sockets, such as `"https://app.example"`. Where none is given,
    /// pages of the host that is asked, as far as cookies or credentials are sent along.
    #[serde(skip_serializing_if = "is_empty")]
    pub origins: Strings,
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
    /// How many bytes a client may send on one socket, `"65536/s"`; no fewer than `max_message`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Rate>,
    /// How many control frames (ping, pong, close) a client may send on one socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controls: Option<Rate>,
}

impl Default for UpgradeConfig {
    fn default() -> Self {
        Self {
            origins: Strings::default(),
            sockets_per_client: None,
            sockets: None,
            max_message: ByteSize(1 << 20),
            max_fragments: NonZeroU32::new(1024).unwrap_or(NonZeroU32::MIN),
            message_time: Period(Duration::from_mins(1)),
            messages: None,
            bytes: None,
            controls: None,
        }
    }
}

fn is_empty(strings: &Strings) -> bool {
    strings.is_empty()
}
