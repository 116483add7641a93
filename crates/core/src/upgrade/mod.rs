//! Detection of protocol upgrades.

#[cfg(test)]
mod tests;

use http::{Method, Version};

use crate::{Head, HeaderIndex, KnownHeader};

/// The protocol upgrade that a request offers for its connection or stream.
///
/// # Examples
///
/// ```
/// use gabion_core::{Framing, Head, Scheme, Upgrade};
/// use http::{HeaderMap, Method, Uri, Version};
///
/// let (uri, mut headers) = (Uri::from_static("/ws"), HeaderMap::new());
/// headers.insert("upgrade", "websocket".parse().unwrap());
/// let detect = |headers: &HeaderMap| {
///     Upgrade::detect(&Head {
///         method: &Method::GET,
///         uri: &uri,
///         version: Version::HTTP_11,
///         headers,
///         protocol: None,
///         framing: Framing::AsShown,
///         scheme: Scheme::Plain,
///     })
/// };
/// assert_eq!(detect(&headers), Upgrade::Incomplete);
/// headers.insert("connection", "Upgrade".parse().unwrap());
/// assert_eq!(detect(&headers), Upgrade::WebSocket);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Upgrade {
    /// No upgrade.
    None,
    /// A WebSocket: `Upgrade: websocket` nominated by `Connection` on HTTP/1.1 (RFC 6455), or
    /// CONNECT with `:protocol = websocket` on HTTP/2 (RFC 8441).
    WebSocket,
    /// CONNECT without `:protocol`: a tunnel to the authority (RFC 9110, 9.3.6).
    Tunnel,
    /// CONNECT with a `:protocol` other than websocket.
    OtherProtocol,
    /// An `Upgrade` header for a protocol other than websocket, such as `h2c`. curl and Java send
    /// that legitimately; a server may ignore it (RFC 9110, 7.8).
    Other,
    /// `Upgrade: websocket` that `Connection` does not nominate, or on a version without upgrades:
    /// a proxy in front removed part of the handshake, or the request is a probe.
    Incomplete,
}

impl Upgrade {
    /// Detects the upgrade that a head offers.
    pub fn detect(head: &Head<'_>) -> Self {
        let of_headers = || Self::of_headers(head.version, &HeaderIndex::new(head.headers));
        Self::of_connect(head).unwrap_or_else(of_headers)
    }

    /// The upgrade of a CONNECT; `None` for other methods.
    #[inline]
    pub(crate) fn of_connect(head: &Head<'_>) -> Option<Self> {
        (*head.method == Method::CONNECT).then(|| match head.protocol {
            None => Self::Tunnel,
            Some(protocol) if protocol.eq_ignore_ascii_case("websocket") => Self::WebSocket,
            Some(_) => Self::OtherProtocol,
        })
    }

    /// The upgrade that the headers of a request other than CONNECT offer.
    pub(crate) fn of_headers(version: Version, headers: &HeaderIndex<'_>) -> Self {
        let lists = |header, token: &[u8]| {
            let mut tokens = headers.tokens(header);
            tokens.any(|item| item.eq_ignore_ascii_case(token))
        };
        if !headers.contains(KnownHeader::Upgrade) {
            Self::None
        } else if !lists(KnownHeader::Upgrade, b"websocket") {
            Self::Other
        } else if version == Version::HTTP_11 && lists(KnownHeader::Connection, b"upgrade") {
            Self::WebSocket
        } else {
            Self::Incomplete
        }
    }
}
