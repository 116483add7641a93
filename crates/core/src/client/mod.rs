//! Who is responsible for a request.
//!
//! The peer is the other end of the socket. Behind a balancer that is the balancer, and the client
//! stands in a header, which anyone can write. So a header counts only when the peer is trusted,
//! and it is walked from the right, past trusted hops, to the first address that no trusted hop
//! vouches for being one of us.

#[cfg(feature = "axum")]
mod extract;
mod header;
mod node;
mod rules;
mod scheme;
mod scope;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

#[cfg(feature = "axum")]
pub use extract::MissingClientIp;
pub use header::ForwardedBy;
pub use rules::{ClientRules, Protected, TooWide};
pub use scheme::Scheme;

/// The other end of the socket, as the server accepted it.
///
/// Servers hand it over in the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddr(SocketAddr);

/// Whom we hold responsible for a request. Made by [`ClientRules::resolve`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientIp {
    addr: IpAddr,
    ipv6_prefix: u8,
    via_trusted: bool,
    forwarded: bool,
    exempt: Option<&'static str>,
}

// === impl PeerAddr ===

impl PeerAddr {
    /// The address of an accepted socket. An IPv4 address mapped into IPv6 becomes IPv4.
    pub fn new(peer: SocketAddr) -> Self {
        Self(SocketAddr::new(peer.ip().to_canonical(), peer.port()))
    }

    /// The address.
    pub fn addr(self) -> IpAddr {
        self.0.ip()
    }

    /// The address with its port.
    pub const fn socket(self) -> SocketAddr {
        self.0
    }
}

impl From<SocketAddr> for PeerAddr {
    fn from(peer: SocketAddr) -> Self {
        Self::new(peer)
    }
}

// === impl ClientIp ===

impl ClientIp {
    /// The address.
    pub const fn addr(&self) -> IpAddr {
        self.addr
    }

    /// What counts as one client: the address itself for IPv4, for IPv6 the network of the
    /// configured length, since a host there owns a whole network.
    pub fn network(&self) -> IpNet {
        match self.addr {
            IpAddr::V4(addr) => Ipv4Net::from(addr).into(),
            IpAddr::V6(addr) => match Ipv6Net::new(addr, self.ipv6_prefix) {
                Ok(net) => net.trunc().into(),
                Err(_) => Ipv6Net::from(addr).into(),
            },
        }
    }

    /// Whether the peer is trusted to speak for its clients, so that what it says of the request
    /// (its scheme, its host, the hops before it) may be passed on.
    pub const fn via_trusted(&self) -> bool {
        self.via_trusted
    }

    /// Whether the address may match a safelist. A private or loopback address out of a header
    /// may not: no such client comes from outside, so somebody made it up.
    pub fn may_be_allowed(&self) -> bool {
        !self.forwarded || !scope::is_inside(self.addr)
    }

    /// Whether the address came out of a header: a hop in front names it.
    pub const fn is_forwarded(&self) -> bool {
        self.forwarded
    }

    /// Why this client is never banned, limited or scored ([`ClientRules::exempts`]); `None` where
    /// it may be.
    pub const fn exempt(&self) -> Option<&'static str> {
        self.exempt
    }

    /// Whether an inside address that is not trusted speaks for others, most likely a balancer that
    /// the policy does not know: all its clients count as one.
    pub fn is_unclear(&self) -> bool {
        self.exempt == Some(rules::UNCLEAR)
    }
}

impl fmt::Display for ClientIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)
    }
}
