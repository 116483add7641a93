//! Headers in which proxies name the client.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::node;

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
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::CfConnectingIp => "cf-connecting-ip",
            Self::TrueClientIp => "true-client-ip",
            Self::XRealIp => "x-real-ip",
            Self::CloudFrontViewerAddress => "cloudfront-viewer-address",
        }
    }

    /// The name as a constant, so that a lookup parses nothing.
    const fn header(self) -> HeaderName {
        match self {
            Self::XForwardedFor => const { HeaderName::from_static(Self::XForwardedFor.name()) },
            Self::Forwarded => const { HeaderName::from_static(Self::Forwarded.name()) },
            Self::CfConnectingIp => const { HeaderName::from_static(Self::CfConnectingIp.name()) },
            Self::TrueClientIp => const { HeaderName::from_static(Self::TrueClientIp.name()) },
            Self::XRealIp => const { HeaderName::from_static(Self::XRealIp.name()) },
            Self::CloudFrontViewerAddress => {
                const { HeaderName::from_static(Self::CloudFrontViewerAddress.name()) }
            }
        }
    }

    /// Returns `true` if `headers` contain any forwarding header.
    pub(super) fn any_in(headers: &HeaderMap) -> bool {
        Self::ALL
            .iter()
            .any(|header| headers.contains_key(header.header()))
    }

    /// The hops in the header, nearest first; `None` for a hop that cannot be parsed.
    pub(super) fn hops<'h>(
        self,
        headers: &'h HeaderMap,
    ) -> impl Iterator<Item = Option<IpAddr>> + use<'h> {
        let read = match self {
            Self::XForwardedFor => Some(node::parse as fn(&[u8]) -> _),
            Self::Forwarded => Some(node::parse_forwarded as fn(&[u8]) -> _),
            _ => None,
        };
        let all = headers.get_all(self.header());
        let elements = |line: &'h HeaderValue| node::rsplit_elements(line.as_bytes());
        let list = read.map(|read| all.iter().rev().flat_map(elements).map(read));
        // A repeated single-address header means that something other than the proxy wrote one of
        // the lines.
        let mut lines = all.iter();
        let one = lines.next().filter(|_| read.is_none());
        let alone = lines.next().is_none();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_constant_equals_name() {
        for header in ForwardedHeader::ALL {
            assert_eq!(header.header(), header.name());
        }
    }
}
