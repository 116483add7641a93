//! The scheme of the client's connection.

use super::{Claim, ClientRules, ForwardedHeader, forwarded, node};
use crate::{HeaderIndex, KnownHeader};

/// The scheme of the client's connection, as far as a trusted source reports it.
///
/// A server that terminates TLS itself puts it into each request's extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "with TLS or without")]
pub enum Scheme {
    /// Without TLS.
    #[default]
    Plain,
    /// With TLS.
    Secure,
}

// === impl Scheme ===

impl Scheme {
    /// The URL prefix of pages: `http://` or `https://`.
    pub const fn http_prefix(self) -> &'static str {
        match self {
            Self::Plain => "http://",
            Self::Secure => "https://",
        }
    }

    /// The URL prefix of WebSockets: `ws://` or `wss://`.
    pub const fn websocket_prefix(self) -> &'static str {
        match self {
            Self::Plain => "ws://",
            Self::Secure => "wss://",
        }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let text = match text {
            [b'"', inner @ .., b'"'] => inner,
            bare => bare,
        };
        let equals = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
        if equals("https") || equals("wss") {
            Some(Self::Secure)
        } else {
            (equals("http") || equals("ws")).then_some(Self::Plain)
        }
    }
}

// === impl ClientRules ===

impl ClientRules {
    /// The scheme between the client and the hop that names it, from the headers of a trusted peer:
    /// `Forwarded` if hops are read from it, else `X-Forwarded-Proto`, which has one value in all
    /// or one for each hop, unless the peer does not write it.
    pub(crate) fn scheme(&self, headers: &HeaderIndex<'_>) -> Option<Scheme> {
        let (header, read) = match self.header() {
            ForwardedHeader::Forwarded => (KnownHeader::Forwarded, proto as fn(&[u8]) -> _),
            _ if !self.trusted_claims().contains(Claim::XForwardedProto) => return None,
            _ => (
                KnownHeader::XForwardedProto,
                Scheme::parse as fn(&[u8]) -> _,
            ),
        };
        headers.first(header)?;
        let words = || headers.lines(header).rev().flat_map(node::rsplit_elements);
        let several = words().nth(1).is_some();
        let depth = if several { self.depth(headers) } else { 0 };
        words().take(depth.saturating_add(1)).last().and_then(read)
    }
}

/// Parses the `proto` pair of one element of `Forwarded` (RFC 7239, 5.4).
fn proto(element: &[u8]) -> Option<Scheme> {
    forwarded::parse_value(element, "proto", Scheme::parse)
}
