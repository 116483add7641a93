//! Networks in CIDR notation.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;

use super::serde_as_text;

/// A network in CIDR notation, or a single address, in [`AllowConfig`](crate::AllowConfig) and
/// [`BanConfig`](crate::BanConfig).
///
/// An IPv4-mapped IPv6 network (`::ffff:0:0/96`) becomes the IPv4 network, as client addresses do
/// before a lookup. Numbers have no leading zeros, since some programs read such numbers as octal.
///
/// # Examples
///
/// ```
/// use gabion_inspect::Network;
///
/// let network: Network = "192.0.2.0/24".parse()?;
/// assert_eq!(network.net().prefix_len(), 24);
/// let address: Network = "192.0.2.7".parse()?;
/// assert_eq!(address.net().prefix_len(), 32);
///
/// let error = "192.0.2.7/24".parse::<Network>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "network `192.0.2.7/24` has host bits set: \
///      write `192.0.2.0/24` for the network or `192.0.2.7` for the address",
/// );
/// # Ok::<(), gabion_inspect::NetworkError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(IpNet);

/// The error of a text that is not a [`Network`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The text is neither an address nor an address with a prefix length.
    #[error("invalid network `{}`: write an address or a network such as `192.0.2.0/24`", gabion_core::Escaped(.0.as_bytes()))]
    Syntax(String),
    /// Bits after the prefix are set, so that either the address or the network may be meant: the
    /// network as written, the network without those bits, and the address.
    #[error(
        "network `{0}` has host bits set: write `{1}` for the network or `{2}` for the address"
    )]
    HostBits(IpNet, IpNet, IpAddr),
}

serde_as_text!(Network, "an address or a network such as \"192.0.2.0/24\"");

impl Network {
    /// Returns the network. A single address is a network with the longest prefix.
    pub const fn net(self) -> IpNet {
        self.0
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let net = parse(text).ok_or_else(|| NetworkError::Syntax(text.to_owned()))?;
        if net.trunc() != net {
            return Err(NetworkError::HostBits(net, net.trunc(), net.addr()));
        }
        Ok(Self(canonical(net)))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().fmt(f)
        } else {
            self.0.fmt(f)
        }
    }
}

/// Parses an address or a network, which may have host bits set.
fn parse(text: &str) -> Option<IpNet> {
    // From the end, since the prefix length is shorter than the address.
    let slash = text.bytes().rposition(|byte| byte == b'/');
    let Some((addr, bits)) = slash.and_then(|slash| text.split_at_checked(slash)) else {
        return text.parse::<IpAddr>().ok().map(IpNet::from);
    };
    let addr = addr.parse().ok()?;
    let bits = match bits.as_bytes() {
        [b'/', b'0'] => 0,
        // `u8` parses signs and leading zeros, too.
        [b'/', b'1'..=b'9', ..] => bits.get(1..)?.parse().ok()?,
        _ => return None,
    };
    IpNet::new(addr, bits).ok()
}

/// Converts an IPv4-mapped IPv6 network to IPv4, as client addresses are before a lookup.
fn canonical(net: IpNet) -> IpNet {
    match (net.addr().to_canonical(), net.prefix_len().checked_sub(96)) {
        (IpAddr::V4(addr), Some(bits)) if matches!(net, IpNet::V6(_)) => {
            IpNet::new(addr.into(), bits).unwrap_or(net)
        }
        _ => net,
    }
}
