//! Section `[client]`: trusted proxies, the forwarding header, and the IPv6 prefix of one client.

use std::num::NonZeroU8;

use gabion_core::{ClientRules, ForwardedBy};
use gabion_inspect::{ConfigPath, Network};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::issue::Issue;

/// Section `[client]` of a [`Document`](crate::Document): how the client's address is determined.
///
/// Start from the default and set fields. It compiles to [`ClientRules`].
///
/// # Examples
///
/// ```
/// use gabion_policy::{ClientSection, Document, ForwardedHeader, check};
///
/// let mut client = ClientSection::default();
/// client.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
/// client.header = ForwardedHeader::Forwarded;
/// let mut document = Document::default();
/// document.client = client;
/// assert!(check(&document.to_string(), "policy.toml", None).is_ok());
///
/// // A prefix that would merge a provider's customers into one client is refused.
/// document.client.ipv6_prefix = 16;
/// assert!(check(&document.to_string(), "policy.toml", None).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ClientSection {
    /// The networks of proxies whose forwarding header is trusted, such as the load balancer's.
    pub trusted_proxies: Vec<Network>,
    /// The header in which a trusted proxy names its client.
    pub header: ForwardedHeader,
    /// The position of the client in the header's list, counted from the right end, from 1. If
    /// unset, the client is the first address from the right that is not a trusted proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hops: Option<NonZeroU8>,
    /// The number of leading bits of an IPv6 address that identify one client: 32 to 128, 64 by
    /// default.
    #[serde(deserialize_with = "client_bits")]
    pub ipv6_prefix: u8,
    /// `true` if clients have private addresses, as on an intranet. Otherwise private addresses are
    /// never banned, limited or scored.
    pub private: bool,
}

/// A header in which a trusted proxy names the client of a request
/// ([`ClientSection::header`]).
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
    /// A shorter prefix would merge all customers of a provider into one client.
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
        for (index, network) in self.trusted_proxies.iter().enumerate() {
            let path = ConfigPath::new("client", "trusted_proxies").entry(index);
            match rules.clone().with_trusted([network.net()]) {
                Ok(wider) => rules = wider,
                Err(error) => issues.push(Issue::new(path, error.to_string())),
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

fn client_bits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    match u8::deserialize(deserializer)? {
        bits @ ClientSection::MIN_BITS..=128 => Ok(bits),
        other => Err(de::Error::custom(format_args!(
            "invalid prefix length {other}: write {} to 128",
            ClientSection::MIN_BITS
        ))),
    }
}
