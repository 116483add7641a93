//! Resolution from the peer to the client.

use std::{fmt, net::IpAddr, num::NonZeroU8, ops::ControlFlow};

use http::HeaderMap;
use ipnet::IpNet;

use super::{ClientIp, ForwardedHeader, PeerAddr, scope};
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
struct Hop {
    /// The number of hops nearer to the peer.
    depth: usize,
    addr: IpAddr,
    is_trusted: bool,
}

/// The exemption of a trusted proxy.
const TRUSTED: &str = "the client is a trusted proxy";

/// The exemption of a private peer that sends forwarding headers without being trusted.
pub(super) const UNTRUSTED_FORWARDER: &str =
    "the client sends forwarding headers and is not a trusted proxy";

impl Default for ClientRules {
    /// Trusts no proxy: the peer is the client. An IPv6 client is its /64.
    fn default() -> Self {
        Self {
            trusted: Vec::new(),
            header: ForwardedHeader::default(),
            hops: None,
            ipv6_prefix: 64,
            private_clients: false,
        }
    }
}

impl ClientRules {
    /// The maximum number of hops read from a header. A longer chain ends the walk at the last hop
    /// read.
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
    /// A request's client is:
    /// 1. the peer, unless the peer is trusted;
    /// 2. else the rightmost address in the header that is not trusted, or the entry at the
    ///    configured number of hops; all lines of the header are read as one list;
    /// 3. else, if an unparsable entry, the end of the list or [`Self::MAX_HOPS`] ends the walk,
    ///    the last hop that was read, or the peer.
    pub fn resolve(&self, peer: PeerAddr, headers: &HeaderMap) -> ClientIp {
        self.resolve_indexed(peer, &HeaderIndex::new(headers))
    }

    /// [`Self::resolve`] with indexed headers.
    pub(crate) fn resolve_indexed(&self, peer: PeerAddr, headers: &HeaderIndex<'_>) -> ClientIp {
        let via_trusted = self.trusts(peer.addr());
        let hop = via_trusted.then(|| self.walk(headers)).flatten();
        let addr = hop.map_or_else(|| peer.addr(), |hop| hop.addr);
        let is_trusted = hop.map_or(via_trusted, |hop| hop.is_trusted);
        let exempt = if is_trusted {
            Some(TRUSTED)
        } else if via_trusted {
            self.exempts_untrusted(addr)
        } else if scope::is_inside(addr) && ForwardedHeader::any_in(headers) {
            Some(UNTRUSTED_FORWARDER)
        } else {
            self.exempts_untrusted(addr)
        };
        ClientIp::new(addr, self.ipv6_prefix, via_trusted, hop.is_some(), exempt)
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

    fn trusts(&self, addr: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&addr))
    }

    /// The header that hops are read from.
    pub(super) const fn header(&self) -> ForwardedHeader {
        self.header
    }

    /// The number of hops between the peer and the hop that names the client.
    pub(super) fn depth(&self, headers: &HeaderIndex<'_>) -> usize {
        self.walk(headers).map_or(0, |hop| hop.depth)
    }

    /// The hop that resolution ends at.
    fn walk(&self, headers: &HeaderIndex<'_>) -> Option<Hop> {
        let counted = self.hops.map(|count| usize::from(count.get()));
        let most = counted.unwrap_or(Self::MAX_HOPS);
        let (mut depth, mut last) = (0, None);
        self.header.visit_hops(headers, |addr| {
            let Some(addr) = addr else {
                return ControlFlow::Break(());
            };
            let is_trusted = self.trusts(addr);
            last = Some(Hop {
                depth,
                addr,
                is_trusted,
            });
            depth += 1;
            if depth == most || counted.is_none() && !is_trusted {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        last
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
