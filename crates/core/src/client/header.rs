//! The headers in which proxies name whom they speak for.

use std::net::IpAddr;

use http::HeaderMap;

use super::node;

/// The header in which trusted hops name the one before them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardedBy {
    /// `X-Forwarded-For: client, hop, hop`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=hop` (RFC 7239)
    Forwarded,
    /// `CF-Connecting-IP: client`, set by Cloudflare.
    CfConnectingIp,
    /// `True-Client-IP: client`, set by Akamai and Cloudflare.
    TrueClientIp,
    /// `X-Real-IP: client`, as nginx is often told to set.
    XRealIp,
    /// `CloudFront-Viewer-Address: client:port`, set by `CloudFront`.
    CloudFrontViewerAddress,
}

impl ForwardedBy {
    const ALL: [Self; 6] = [
        Self::XForwardedFor,
        Self::Forwarded,
        Self::CfConnectingIp,
        Self::TrueClientIp,
        Self::XRealIp,
        Self::CloudFrontViewerAddress,
    ];

    /// The header's name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::CfConnectingIp => "cf-connecting-ip",
            Self::TrueClientIp => "true-client-ip",
            Self::XRealIp => "x-real-ip",
            Self::CloudFrontViewerAddress => "cloudfront-viewer-address",
        }
    }

    /// Whether `headers` speak for anyone.
    pub(super) fn any(headers: &HeaderMap) -> bool {
        Self::ALL
            .iter()
            .any(|header| headers.contains_key(header.name()))
    }

    /// The hops that the header names, the nearest first; `None` for what cannot be read.
    pub(super) fn hops(self, headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
        let read = match self {
            Self::XForwardedFor => Some(node::parse as fn(&[u8]) -> _),
            Self::Forwarded => Some(node::parse_forwarded as fn(&[u8]) -> _),
            _ => None,
        };
        let list = read.into_iter().flat_map(move |read| {
            let lines = headers.get_all(self.name()).iter().rev();
            lines
                .flat_map(|line| node::rsplit_elements(line.as_bytes()))
                .map(read)
        });
        // Where a header of one address stands twice, somebody else than the proxy wrote to it.
        let mut lines = headers.get_all(self.name()).iter();
        let one = lines.next().filter(|_| read.is_none());
        let alone = lines.next().is_none();
        let one = one.map(move |line| self.one(line.as_bytes()).filter(|_| alone));
        list.chain(one)
    }

    /// The address in a header that holds no list; a list in it cannot be read.
    fn one(self, line: &[u8]) -> Option<IpAddr> {
        match self {
            Self::CloudFrontViewerAddress => node::parse_with_port(line.trim_ascii()),
            _ => node::parse(line.trim_ascii()),
        }
    }
}
