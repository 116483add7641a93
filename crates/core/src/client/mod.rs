//! Client address resolution.
//!
//! The peer is the other end of the socket. Behind a load balancer the peer is the balancer, and
//! the client's address is in a header, which any client can write. So a header counts only if the
//! peer is a trusted proxy. Its list is walked from the right, past trusted proxies, to the first
//! address that is not one. If an entry on the way is no address, the client is unknown: it is limited
//! by the address of the proxy, and never banned.

mod claim;
mod derivation;
mod embedded;
#[cfg(feature = "axum")]
mod extract;
mod forwarded;
mod header;
mod key;
mod node;
mod rules;
mod scheme;
mod scope;
mod table_key;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

pub use claim::{Claim, ClaimSet, folded_name};
pub use derivation::{ClientDerivation, ClientHop, HopRole};
#[cfg(feature = "axum")]
pub use extract::MissingClientIp;
pub use header::ForwardedHeader;
pub use rules::{ClientRules, Protected, TooWide};
pub use scheme::Scheme;
pub use table_key::{BuildClientKeyHasher, ClientKey, ClientKeyHasher};

/// The remote address of the accepted socket.
///
/// Servers pass it in the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddr(SocketAddr);

/// The client of a request: the address that rules, limits and bans apply to. Created only by
/// [`ClientRules::resolve`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientIp {
    addr: IpAddr,
    ipv6_prefix: u8,
    origin: Origin,
    is_converted: bool,
    exempt: Option<&'static str>,
    /// The claims that the peer may write.
    trusted_claims: ClaimSet,
    key: u64,
}

/// The source of a client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Origin {
    /// The socket; the peer is not a trusted proxy.
    Peer,
    /// The socket of a private or loopback peer that is not trusted and sends forwarding headers.
    UntrustedForwarder,
    /// The socket of a trusted proxy that sends a request of its own.
    TrustedProxy,
    /// The forwarding header of a trusted proxy.
    Header,
    /// The hop nearest to a client that the forwarding header does not name.
    Unknown,
}

// === impl PeerAddr ===

impl PeerAddr {
    /// Wraps the address of an accepted socket. An IPv4-mapped IPv6 address becomes IPv4.
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
    /// Creates a client. An IPv6 client counts by its first `ipv6_prefix` bits.
    fn new(addr: IpAddr, ipv6_prefix: u8, origin: Origin, exempt: Option<&'static str>) -> Self {
        let mut client = Self {
            addr,
            ipv6_prefix,
            origin,
            is_converted: false,
            exempt,
            trusted_claims: ClaimSet::EMPTY,
            key: 0,
        };
        client.key = Self::key_of(client.network());
        client
    }

    /// A client before its headers were read.
    pub(crate) const fn unresolved(peer: PeerAddr) -> Self {
        Self {
            addr: peer.0.ip(),
            ipv6_prefix: 0,
            origin: Origin::Unknown,
            is_converted: false,
            exempt: None,
            trusted_claims: ClaimSet::EMPTY,
            key: 0,
        }
    }

    /// Marks the address as embedded in the IPv6 address that the peer or a proxy named.
    const fn converted(self) -> Self {
        Self {
            is_converted: true,
            ..self
        }
    }

    /// Lets the peer write these claims, if it is a trusted proxy.
    const fn trusting(mut self, claims: ClaimSet) -> Self {
        if self.via_trusted() {
            self.trusted_claims = claims;
        }
        self
    }

    /// The address. For a client that its proxies do not name ([`Self::is_unknown`]) it is that of the
    /// nearest known hop.
    pub const fn addr(&self) -> IpAddr {
        self.addr
    }

    /// The network that counts as one client: the address itself for IPv4; for IPv6 the network of
    /// the configured prefix length, since one IPv6 host usually has a whole network. An address in
    /// `64:ff9b::/96`, `::/96` and `2001::/32`, where many hosts share one, is its own network.
    pub fn network(&self) -> IpNet {
        match self.addr {
            IpAddr::V4(addr) => Ipv4Net::from(addr).into(),
            IpAddr::V6(addr) => match Ipv6Net::new(addr, self.ipv6_prefix) {
                Ok(net) => net.trunc().into(),
                Err(_) => Ipv6Net::from(addr).into(),
            },
        }
    }

    /// A hash of [`Self::network`] for tables by client: keyed by a secret of the process, so that no
    /// client can choose a colliding one, and computed once per request.
    pub const fn key(&self) -> u64 {
        self.key
    }

    /// The [`Self::key`] of the client whose network is `network`.
    pub fn key_of(network: IpNet) -> u64 {
        key::hash(network)
    }

    /// Returns `true` if the peer is a trusted proxy.
    pub const fn via_trusted(&self) -> bool {
        matches!(
            self.origin,
            Origin::TrustedProxy | Origin::Header | Origin::Unknown
        )
    }

    /// The claims that the peer may write, because it is a trusted proxy that overwrites those of its
    /// clients ([`ClientRules::with_trusted_headers`]). Empty for any other peer.
    pub const fn trusted_claims(&self) -> ClaimSet {
        self.trusted_claims
    }

    /// The lines of the section `[client]` of a policy with which `claim` by `peer` is believed.
    #[cold]
    pub fn trust_advice(&self, peer: PeerAddr, claim: Claim) -> String {
        if self.via_trusted() {
            return format!("trusted_headers = {}", self.trusted_claims.with(claim));
        }
        let proxies = format!("trusted_proxies = [\"{}\"]", peer.addr());
        if Claim::USUAL.contains(claim) {
            return proxies;
        }
        format!("{proxies}, trusted_headers = {}", Claim::USUAL.with(claim))
    }

    /// Returns `true` if the address may match an allow list. A private or loopback address from a
    /// header may not: no client on the internet has one, so it is forged. Nor may an IPv4 address that
    /// was embedded in an IPv6 address, or the address of a proxy that does not name its client.
    pub fn may_be_allowed(&self) -> bool {
        if self.is_converted {
            return false;
        }
        match self.origin {
            Origin::Peer | Origin::UntrustedForwarder | Origin::TrustedProxy => true,
            Origin::Header => !scope::is_inside(self.addr),
            Origin::Unknown => false,
        }
    }

    /// Returns `true` if a trusted proxy sends the request for another client: one that it names in the
    /// forwarding header, or an unknown one ([`Self::is_unknown`]).
    pub const fn is_forwarded(&self) -> bool {
        matches!(self.origin, Origin::Header | Origin::Unknown)
    }

    /// Returns `true` if a trusted proxy sends a forwarding header from which the client cannot be read,
    /// such as `X-Forwarded-For: unknown`. All such clients behind one proxy share its address as key:
    /// they are limited together, and never banned.
    pub const fn is_unknown(&self) -> bool {
        matches!(self.origin, Origin::Unknown)
    }

    /// The reason why this client is never banned, limited or scored ([`ClientRules::exempts`]);
    /// `None` if it may be limited.
    pub const fn exempt(&self) -> Option<&'static str> {
        self.exempt
    }

    /// The reason why this client is never banned or scored; `None` if it may be. Besides exempt
    /// clients ([`Self::exempt`]), unknown ([`Self::is_unknown`]) and unclear ones
    /// ([`Self::is_unclear`]) are not: a ban would hit all clients behind the proxy.
    pub const fn exempt_from_bans(&self) -> Option<&'static str> {
        match self.origin {
            Origin::Unknown => Some(rules::UNKNOWN),
            Origin::UntrustedForwarder => Some(rules::UNTRUSTED_FORWARDER),
            Origin::Peer | Origin::TrustedProxy | Origin::Header => self.exempt,
        }
    }

    /// Returns `true` if a private or loopback peer that is not trusted sends forwarding headers.
    /// Most likely it is a load balancer missing from the policy; all its clients count as one.
    pub const fn is_unclear(&self) -> bool {
        matches!(self.origin, Origin::UntrustedForwarder)
    }
}

impl fmt::Display for ClientIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)
    }
}
