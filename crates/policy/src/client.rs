//! Section `[client]`: who speaks for a client, and what counts as one.

use std::num::NonZeroU8;

use gabion_core::{ClientRules, ForwardedBy};
use gabion_inspect::{ConfigPath, Network};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::issue::Issue;

/// Section `[client]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ClientSection {
    /// Who may name the client before them: the balancer's networks.
    pub trusted_proxies: Vec<Network>,
    /// The header in which they do.
    pub header: ForwardedHeader,
    /// How many hops from the right end of a list the client stands; the first hop that is not
    /// trusted where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hops: Option<NonZeroU8>,
    /// How many leading bits of an IPv6 address make one client: 32 to 128.
    #[serde(deserialize_with = "client_bits")]
    pub ipv6_prefix: u8,
    /// Whether clients come from private addresses, as on an intranet.
    pub private: bool,
}

/// A header in which trusted hops name the one before them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: client, hop`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=hop` (RFC 7239)
    Forwarded,
    /// `CF-Connecting-IP: client`
    CfConnectingIp,
    /// `True-Client-IP: client`
    TrueClientIp,
    /// `X-Real-IP: client`
    XRealIp,
    /// `CloudFront-Viewer-Address: client:port`
    CloudfrontViewerAddress,
}

// === impl ClientSection ===

impl ClientSection {
    /// Shorter prefixes would count a provider's whole customer base as one client.
    const MIN_BITS: u8 = 32;

    pub(crate) fn compile(&self) -> Result<ClientRules, Vec<Issue>> {
        let mut rules = ClientRules::default()
            .with_header(self.header.into())
            .with_ipv6_prefix(self.ipv6_prefix)
            .with_private_clients(self.private);
        if let Some(hops) = self.hops {
            rules = rules.with_hops(hops);
        }
        let mut issues = Vec::new();
        for (at, network) in self.trusted_proxies.iter().enumerate() {
            let place = ConfigPath::new("client", "trusted_proxies").entry(at);
            match rules.clone().with_trusted([network.net()]) {
                Ok(wider) => rules = wider,
                Err(error) => issues.push(Issue::new(place, error.to_string())),
            }
        }
        if issues.is_empty() {
            Ok(rules)
        } else {
            Err(issues)
        }
    }
}

impl Default for ClientSection {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            header: ForwardedHeader::default(),
            hops: None,
            ipv6_prefix: 64,
            private: false,
        }
    }
}

impl From<ForwardedHeader> for ForwardedBy {
    fn from(header: ForwardedHeader) -> Self {
        match header {
            ForwardedHeader::XForwardedFor => Self::XForwardedFor,
            ForwardedHeader::Forwarded => Self::Forwarded,
            ForwardedHeader::CfConnectingIp => Self::CfConnectingIp,
            ForwardedHeader::TrueClientIp => Self::TrueClientIp,
            ForwardedHeader::XRealIp => Self::XRealIp,
            ForwardedHeader::CloudfrontViewerAddress => Self::CloudFrontViewerAddress,
        }
    }
}

fn client_bits<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    match u8::deserialize(from)? {
        bits @ ClientSection::MIN_BITS..=128 => Ok(bits),
        other => Err(de::Error::custom(format_args!(
            "{other} bits cannot make one client: write {} to 128",
            ClientSection::MIN_BITS
        ))),
    }
}
