//! A network as people write it.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;

use super::serde_as_text;

/// A network in CIDR form, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(IpNet);

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// Not an address, nor an address and a prefix length.
    #[error("`{}` is neither an address nor a network such as 192.0.2.0/24", gabion_core::Escaped(.0.as_bytes()))]
    Syntax(String),
    /// Bits are set to the right of the prefix, so that one address or the whole may be meant.
    #[error("`{0}` has bits beyond its prefix: write {1} for the network, {2} for the address")]
    HostBits(IpNet, IpNet, IpAddr),
}

serde_as_text!(Network, "an address or a network such as \"192.0.2.0/24\"");

impl Network {
    /// The network; one address is a network of one.
    pub const fn net(self) -> IpNet {
        self.0
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        if let Ok(addr) = text.parse::<IpAddr>() {
            return Ok(Self(addr.to_canonical().into()));
        }
        let net: IpNet = text
            .parse()
            .map_err(|_| NetworkError::Syntax(text.to_owned()))?;
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

/// An IPv4 network mapped into IPv6 becomes IPv4, as addresses do before they are looked up.
fn canonical(net: IpNet) -> IpNet {
    match (net.addr().to_canonical(), net.prefix_len().checked_sub(96)) {
        (IpAddr::V4(addr), Some(bits)) if matches!(net, IpNet::V6(_)) => {
            IpNet::new(addr.into(), bits).unwrap_or(net)
        }
        _ => net,
    }
}
