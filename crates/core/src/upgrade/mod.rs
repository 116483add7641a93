//! Whether a request wants to leave HTTP.

#[cfg(test)]
mod tests;

use http::{
    HeaderMap, HeaderName, Method, Version,
    header::{CONNECTION, UPGRADE},
};

use crate::{Head, tokens};

/// How a request asks to turn its connection, or its stream, into something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Upgrade {
    /// It stays HTTP.
    None,
    /// A WebSocket: `Upgrade: websocket` nominated by `Connection` on HTTP/1.1 (RFC 6455), or
    /// CONNECT with `:protocol = websocket` on HTTP/2 (RFC 8441).
    WebSocket,
    /// CONNECT without `:protocol`: a tunnel to the authority (RFC 9110, 9.3.6).
    Tunnel,
    /// CONNECT with a `:protocol` other than websocket.
    OtherProtocol,
    /// An `Upgrade` header to something other than websocket, `h2c` among them. curl and Java offer
    /// that honestly; a server may ignore it (RFC 9110, 7.8).
    Other,
    /// `Upgrade: websocket` that `Connection` does not nominate, or on a version that has no
    /// upgrades: a hop in front dropped its half, or it is a probe.
    Incomplete,
}

impl Upgrade {
    /// Reads it off a head.
    pub fn detect(head: &Head<'_>) -> Self {
        if *head.method == Method::CONNECT {
            return match head.protocol {
                None => Self::Tunnel,
                Some(protocol) if protocol.eq_ignore_ascii_case("websocket") => Self::WebSocket,
                Some(_) => Self::OtherProtocol,
            };
        }
        if !head.headers.contains_key(UPGRADE) {
            Self::None
        } else if !lists(head.headers, &UPGRADE, "websocket") {
            Self::Other
        } else if head.version == Version::HTTP_11 && lists(head.headers, &CONNECTION, "upgrade") {
            Self::WebSocket
        } else {
            Self::Incomplete
        }
    }
}

/// Whether any line of a list header holds `token`, whatever its case.
fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
}
