//! Headers in which proxies name the client.

use std::net::IpAddr;

use super::node;
use crate::{HeaderIndex, KnownHeader};

/// The header in which trusted proxies name the previous hop. Default: `X-Forwarded-For`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: client, hop, hop`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=hop` (RFC 7239)
    Forwarded,
    /// `CF-Connecting-IP: client`, set by Cloudflare.
    CfConnectingIp,
    /// `True-Client-IP: client`, set by Akamai and Cloudflare.
    TrueClientIp,
    /// `X-Real-IP: client`, commonly set in nginx by `proxy_set_header`.
    XRealIp,
    /// `CloudFront-Viewer-Address: client:port`, set by `CloudFront`.
    CloudFrontViewerAddress,
}

impl ForwardedHeader {
    /// All headers.
    pub const ALL: [Self; 6] = [
        Self::XForwardedFor,
        Self::Forwarded,
        Self::CfConnectingIp,
        Self::TrueClientIp,
        Self::XRealIp,
        Self::CloudFrontViewerAddress,
    ];

    /// The header's name, in lower case. Policy documents use the same names.
    pub const fn name(self) -> &'static str {
        self.known().name()
    }

    pub(super) const fn known(self) -> KnownHeader {
        match self {
            Self::XForwardedFor => KnownHeader::XForwardedFor,
            Self::Forwarded => KnownHeader::Forwarded,
            Self::CfConnectingIp => KnownHeader::CfConnectingIp,
            Self::TrueClientIp => KnownHeader::TrueClientIp,
            Self::XRealIp => KnownHeader::XRealIp,
            Self::CloudFrontViewerAddress => KnownHeader::CloudFrontViewerAddress,
        }
    }

    /// Returns `true` if the request has any forwarding header.
    pub(super) fn any_in(headers: &HeaderIndex<'_>) -> bool {
        Self::ALL
            .iter()
            .any(|header| headers.contains(header.known()))
    }

    /// The hops in the header, nearest first; `None` for a hop that cannot be parsed.
    pub(super) fn hops<'h>(
        self,
        headers: &HeaderIndex<'h>,
    ) -> impl Iterator<Item = Option<IpAddr>> + use<'h> {
        let read = match self {
            Self::XForwardedFor => Some(node::parse as fn(&[u8]) -> _),
            Self::Forwarded => Some(node::parse_forwarded as fn(&[u8]) -> _),
            _ => None,
        };
        let lines = headers.lines(self.known()).rev();
        let list = read.map(|read| lines.flat_map(node::rsplit_elements).map(read));
        // A repeated single-address header means that something other than the proxy wrote one of
        // the lines.
        let one = headers.first(self.known()).filter(|_| read.is_none());
        let alone = !headers.is_repeated(self.known());
        let one = one.map(move |line| self.one(line.as_bytes()).filter(|_| alone));
        list.into_iter().flatten().chain(one)
    }

    /// Parses a single-address header. A list is not accepted.
    fn one(self, line: &[u8]) -> Option<IpAddr> {
        match self {
            Self::CloudFrontViewerAddress => node::parse_with_port(line.trim_ascii()),
            _ => node::parse(line.trim_ascii()),
        }
    }
}
