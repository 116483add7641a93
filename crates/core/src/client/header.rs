//! Headers in which proxies name the client.

use std::{net::IpAddr, ops::ControlFlow};

use super::{Claim, node};
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

    pub(super) const fn claim(self) -> Claim {
        match self {
            Self::XForwardedFor => Claim::XForwardedFor,
            Self::Forwarded => Claim::Forwarded,
            Self::CfConnectingIp => Claim::CfConnectingIp,
            Self::TrueClientIp => Claim::TrueClientIp,
            Self::XRealIp => Claim::XRealIp,
            Self::CloudFrontViewerAddress => Claim::CloudFrontViewerAddress,
        }
    }

    /// Returns `true` if the request has any forwarding header.
    pub(super) fn any_in(headers: &HeaderIndex<'_>) -> bool {
        Self::ALL
            .iter()
            .any(|header| headers.contains(header.known()))
    }

    /// Calls `visit` for each hop in the header, nearest first, until it breaks: with the address, or
    /// `None` for a hop that cannot be parsed.
    pub(super) fn visit_hops<B>(
        self,
        headers: &HeaderIndex<'_>,
        mut visit: impl FnMut(Option<IpAddr>) -> ControlFlow<B>,
    ) -> Option<B> {
        let parse = match self {
            Self::XForwardedFor => node::parse,
            Self::Forwarded => node::parse_forwarded,
            // A repeated single-address header means that something other than the proxy wrote one
            // of the lines.
            _ => {
                let first = headers.first(self.known())?;
                let single = headers.single(self.known()).is_some();
                let hop = self.one(first.as_bytes()).filter(|_| single);
                return visit(hop).break_value();
            }
        };
        for line in headers.lines(self.known()).rev() {
            // Most lines are one address, which need not be searched for commas.
            let only = (self == Self::XForwardedFor).then(|| node::parse_ipv4(line));
            let visited = match only.flatten() {
                Some(addr) => visit(Some(addr.into())),
                None => node::rsplit_elements(line).try_for_each(|hop| visit(parse(hop))),
            };
            if let ControlFlow::Break(value) = visited {
                return Some(value);
            }
        }
        None
    }

    /// Parses a single-address header. A list is not accepted.
    fn one(self, line: &[u8]) -> Option<IpAddr> {
        match self {
            Self::CloudFrontViewerAddress => node::parse_with_port(line.trim_ascii()),
            _ => node::parse(line.trim_ascii()),
        }
    }
}
