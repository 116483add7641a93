//! Resolution from the peer to the client.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU8,
    ops::ControlFlow,
};

use http::HeaderMap;
use ipnet::IpNet;

use super::{
    Claim, ClaimSet, ClientIp, ForwardedHeader, Origin, PeerAddr, embedded::Embedded, scope,
};
use crate::HeaderIndex;

/// The rules that resolve a peer and its headers to a [`ClientIp`].
///
/// By default no proxy is trusted, so the peer is the client, and an IPv6 client is its /64.
///
/// # Examples
///
/// ```
/// use gabion_core::{ClientRules, PeerAddr};
/// use http::HeaderMap;
///
/// let rules = ClientRules::default().with_trusted(["10.0.0.0/8".parse().unwrap()]).unwrap();
/// let mut headers = HeaderMap::new();
/// headers.insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
///
/// let by_proxy = rules.resolve(PeerAddr::new(([10, 0, 0, 1], 4000).into()), &headers);
/// assert_eq!(by_proxy.to_string(), "203.0.113.9");
/// let forged = rules.resolve(PeerAddr::new(([198, 51, 100, 7], 4000).into()), &headers);
/// assert_eq!(forged.to_string(), "198.51.100.7", "the peer is not trusted");
///
/// assert!(ClientRules::default().with_trusted(["0.0.0.0/0".parse().unwrap()]).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRules {
    trusted: Vec<IpNet>,
    header: ForwardedHeader,
    trusted_headers: ClaimSet,
    hops: Option<NonZeroU8>,
    ipv6_prefix: u8,
    private_clients: bool,
}

/// The error for a trusted proxy network that covers the whole address space.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be a trusted proxy network: any client could forge its address; list the networks \
     of your load balancer"
)]
pub struct TooWide(IpNet);

/// The kind of addresses in a network that must not be banned. Returned by
/// [`ClientRules::protects`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protected {
    /// A trusted proxy: a ban would hit all clients behind it.
    TrustedProxy,
    /// Loopback or the unspecified address.
    ThisHost,
    /// Private addresses, unless the rules declare that clients have them.
    Private,
}

/// A hop that a forwarding header names.
#[derive(Clone, Copy)]
pub(super) struct Hop {
    /// The number of hops nearer to the peer.
    pub(super) depth: usize,
    addr: IpAddr,
    is_trusted: bool,
}

/// The end of the walk over a forwarding header.
#[derive(Clone, Copy)]
pub(super) enum WalkEnd {
    /// The request has no such header.
    NoHeader,
    /// The hop that is the client.
    Client(Hop),
    /// A hop that is not named, after `depth` others, with the last of these.
    Unknown { depth: usize, behind: Option<Hop> },
}

/// The exemption of a trusted proxy.
const TRUSTED: &str = "the client is a trusted proxy";

/// The exemption from bans of a private peer that sends forwarding headers without being trusted.
pub(super) const UNTRUSTED_FORWARDER: &str =
    "the client sends forwarding headers and is not a trusted proxy";

/// The exemption from bans of a client that its proxy does not name.
pub(super) const UNKNOWN: &str = "the client is unknown: the forwarding header does not name it";

impl Default for ClientRules {
    /// Trusts no proxy: the peer is the client. An IPv6 client is its /64.
    fn default() -> Self {
        Self {
            trusted: Vec::new(),
            header: ForwardedHeader::default(),
            trusted_headers: Claim::USUAL,
            hops: None,
            ipv6_prefix: 64,
            private_clients: false,
        }
    }
}

impl ClientRules {
    /// The maximum number of trusted hops read from a header. The client behind a longer chain is
    /// unknown.
    pub const MAX_HOPS: usize = 32;

    /// Trusts peers and hops in `networks` to name the previous hop.
    ///
    /// # Errors
    ///
    /// Rejects a whole address space: `0.0.0.0/0` or `::/0`.
    pub fn with_trusted(
        mut self,
        networks: impl IntoIterator<Item = IpNet>,
    ) -> Result<Self, TooWide> {
        for network in networks {
            if network.prefix_len() == 0 {
                return Err(TooWide(network));
            }
            self.trusted.push(network.trunc());
        }
        Ok(self)
    }

    /// Sets the header that hops are read from.
    pub fn with_header(self, header: ForwardedHeader) -> Self {
        Self { header, ..self }
    }

    /// Sets the claims that trusted proxies write over those of their clients, besides
    /// [`Self::with_header`]. Default: [`Claim::USUAL`]. Other claims may be a client's own, which the
    /// proxy passed on.
    pub fn with_trusted_headers(self, claims: impl IntoIterator<Item = Claim>) -> Self {
        let trusted_headers = claims.into_iter().collect();
        Self {
            trusted_headers,
            ..self
        }
    }

    /// Takes the client from a fixed position: `hops` entries from the right end of the list,
    /// instead of the first address that is not trusted. For proxies whose addresses change but
    /// whose number does not. One hop is the peer itself, so that the last entry is the client.
    pub fn with_hops(self, hops: NonZeroU8) -> Self {
        let hops = Some(hops);
        Self { hops, ..self }
    }

    /// Counts IPv6 addresses that share their first `bits` (at most 128) as one client. Default:
    /// 64.
    pub fn with_ipv6_prefix(self, bits: u8) -> Self {
        Self {
            ipv6_prefix: bits.min(128),
            ..self
        }
    }

    /// Declares that clients have private addresses, as on an intranet, so that those can be banned
    /// too. Default: `false`.
    pub fn with_private_clients(self, private_clients: bool) -> Self {
        Self {
            private_clients,
            ..self
        }
    }

    /// The networks of trusted proxies.
    pub fn trusted(&self) -> &[IpNet] {
        &self.trusted
    }

    /// Resolves the client behind `peer`.
    ///
    /// An IPv6 address that embeds a public IPv4 address (NAT64 `64:ff9b::/96`, IPv4-compatible `::/96`,
    /// 6to4 `2002::/16`, Teredo `2001::/32`) counts as that address, but is neither trusted nor allowed.
    ///
    /// A request's client is:
    /// 1. the peer, unless the peer is trusted;
    /// 2. else the peer, if it does not send the header;
    /// 3. else the rightmost address in the header that is not trusted, or the entry at the
    ///    configured number of hops; all lines of the header are read as one list, without its empty
    ///    entries; if all addresses are trusted, the leftmost one;
    /// 4. else, if the header has no entries, or if an entry without a valid address or
    ///    [`Self::MAX_HOPS`] ends the walk, an unknown client ([`ClientIp::is_unknown`]) with the
    ///    address of the last hop that was read, or of the peer.
    pub fn resolve(&self, peer: PeerAddr, headers: &HeaderMap) -> ClientIp {
        self.resolve_indexed(peer, &HeaderIndex::new(headers))
    }

    /// [`Self::resolve`] with indexed headers.
    pub(crate) fn resolve_indexed(&self, peer: PeerAddr, headers: &HeaderIndex<'_>) -> ClientIp {
        let peer = peer.addr();
        let (addr, origin, exempt) = if self.trusts(peer) {
            match self.walk(headers) {
                WalkEnd::NoHeader => (peer, Origin::TrustedProxy, Some(TRUSTED)),
                WalkEnd::Client(hop) if hop.is_trusted => (hop.addr, Origin::Header, Some(TRUSTED)),
                WalkEnd::Client(hop) => {
                    (hop.addr, Origin::Header, self.exempts_untrusted(hop.addr))
                }
                WalkEnd::Unknown { behind, .. } => {
                    let nearest = behind.map_or(peer, |hop| hop.addr);
                    (nearest, Origin::Unknown, None)
                }
            }
        } else {
            let is_unclear = scope::is_inside(peer) && ForwardedHeader::any_in(headers);
            let origin = if is_unclear {
                Origin::UntrustedForwarder
            } else {
                Origin::Peer
            };
            (peer, origin, self.exempts_untrusted(peer))
        };
        let client = match addr {
            IpAddr::V6(addr) => self.ipv6_client(addr, origin, exempt),
            IpAddr::V4(_) => ClientIp::new(addr, self.ipv6_prefix, origin, exempt),
        };
        client.trusting(self.trusted_claims())
    }

    /// A client with an IPv6 address. If it embeds the IPv4 address of a host on the internet, that is
    /// the client: a ban of the /64 could hit everyone behind the same NAT64 gateway.
    ///
    /// A proxy, a private host and this host are never reached by such an address, so that it does not
    /// become one of theirs. The client then is that one IPv6 address, if others share its /64.
    fn ipv6_client(
        &self,
        addr: Ipv6Addr,
        origin: Origin,
        exempt: Option<&'static str>,
    ) -> ClientIp {
        let embedded = Embedded::find(addr);
        let public = embedded.as_ref().map(|embedded| embedded.addr);
        let public = public.filter(|&addr| scope::is_public(addr) && !self.trusts(addr.into()));
        let is_client = exempt.is_none() && origin != Origin::Unknown;
        if let Some(public) = public.filter(|_| is_client) {
            return ClientIp::new(public.into(), self.ipv6_prefix, origin, None).converted();
        }
        let shares_network = embedded.is_some_and(|embedded| embedded.shares_network);
        let prefix = if shares_network {
            128
        } else {
            self.ipv6_prefix
        };
        ClientIp::new(addr.into(), prefix, origin, exempt)
    }

    /// The reason why `addr` is never banned as a client; `None` if it may be.
    ///
    /// A ban of a proxy, of a private address or of this host would ban everything behind it.
    pub fn exempts(&self, addr: IpAddr) -> Option<&'static str> {
        if self.trusts(addr) {
            Some(TRUSTED)
        } else {
            self.exempts_untrusted(addr)
        }
    }

    /// [`Self::exempts`] for an address that is not trusted.
    fn exempts_untrusted(&self, addr: IpAddr) -> Option<&'static str> {
        if scope::is_this_host(addr) {
            Some("the client is this host")
        } else if !self.private_clients && scope::is_private(addr) {
            Some(
                "the client has a private address, most likely of a proxy missing in trusted_proxies",
            )
        } else {
            None
        }
    }

    /// The first kind of protected address that a ban of `network` would hit: [`Self::exempts`] for
    /// each of its addresses.
    pub fn protects(&self, network: IpNet) -> Option<Protected> {
        let trusted = |proxy: &IpNet| scope::overlap(proxy, &network);
        if self.trusted.iter().any(trusted) {
            Some(Protected::TrustedProxy)
        } else if scope::holds_this_host(&network) {
            Some(Protected::ThisHost)
        } else if !self.private_clients && scope::holds_private(&network) {
            Some(Protected::Private)
        } else {
            None
        }
    }

    /// Returns `true` if `network` is entirely private or loopback, so that no client on the
    /// internet can send from it.
    pub fn is_inside(network: IpNet) -> bool {
        scope::is_all_inside(&network)
    }

    #[inline]
    pub(super) fn trusts(&self, addr: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&addr))
    }

    /// The claims that a trusted proxy may write.
    pub(super) const fn trusted_claims(&self) -> ClaimSet {
        self.trusted_headers.with(self.header.claim())
    }

    /// The header that hops are read from.
    pub(super) const fn header(&self) -> ForwardedHeader {
        self.header
    }

    /// The number of hops between the peer and the hop that names the client.
    pub(super) fn depth(&self, headers: &HeaderIndex<'_>) -> usize {
        match self.walk(headers) {
            WalkEnd::NoHeader => 0,
            WalkEnd::Client(hop) => hop.depth,
            WalkEnd::Unknown { depth, .. } => depth,
        }
    }

    /// Walks over the header to the hop that resolution ends at.
    pub(super) fn walk(&self, headers: &HeaderIndex<'_>) -> WalkEnd {
        let counted = self.hops.map(|count| usize::from(count.get()));
        let (mut depth, mut last) = (0, None);
        let end = self.header.visit_hops(headers, |addr| {
            let is_cut = counted.is_none() && depth == Self::MAX_HOPS;
            let Some(addr) = addr.filter(|_| !is_cut) else {
                let behind = last;
                return ControlFlow::Break(WalkEnd::Unknown { depth, behind });
            };
            let is_trusted = self.trusts(addr);
            let hop = Hop {
                depth,
                addr,
                is_trusted,
            };
            depth += 1;
            if counted.map_or(!is_trusted, |count| depth == count) {
                return ControlFlow::Break(WalkEnd::Client(hop));
            }
            last = Some(hop);
            ControlFlow::Continue(())
        });
        end.unwrap_or_else(|| match last {
            Some(hop) => WalkEnd::Client(hop),
            None if headers.contains(self.header.known()) => WalkEnd::Unknown {
                depth,
                behind: None,
            },
            None => WalkEnd::NoHeader,
        })
    }
}

// === impl Protected ===

impl fmt::Display for Protected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TrustedProxy => "a trusted proxy, and with it all clients behind it",
            Self::ThisHost => "this host",
            Self::Private => "private addresses, which your proxy may have",
        })
    }
}
