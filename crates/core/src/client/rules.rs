//! The walk from the peer to the client.

use std::{fmt, net::IpAddr, num::NonZeroU8};

use http::HeaderMap;
use ipnet::IpNet;

use super::{ClientIp, ForwardedBy, PeerAddr, scope};

/// Who may speak for a client, and what counts as one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRules {
    trusted: Vec<IpNet>,
    header: ForwardedBy,
    hops: Option<NonZeroU8>,
    ipv6_prefix: u8,
    private_clients: bool,
}

/// A network that nobody can vouch for as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} cannot be a trusted proxy: anyone could name any client; name your balancer's networks"
)]
pub struct TooWide(IpNet);

/// Whom a ban of a network would hit that must not be banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protected {
    /// A trusted proxy, and with it everyone behind it.
    TrustedProxy,
    /// Loopback, or the address that means none.
    ThisHost,
    /// Private addresses, where the rules do not say that clients have them.
    Private,
}

/// Why nobody is banned whom an inside address speaks for that is not trusted.
pub(super) const UNCLEAR: &str = "it speaks for others and is not a trusted proxy yet";

impl Default for ClientRules {
    /// Nobody is trusted: the peer is the client; an IPv6 client is its /64.
    fn default() -> Self {
        Self {
            trusted: Vec::new(),
            header: ForwardedBy::default(),
            hops: None,
            ipv6_prefix: 64,
            private_clients: false,
        }
    }
}

impl ClientRules {
    /// How many hops of a header are read. A longer chain ends the walk where it stands.
    pub const MAX_HOPS: usize = 32;

    /// Trusts peers and hops in `networks` to name the client before them.
    ///
    /// # Errors
    ///
    /// Refuses the whole address space, `0.0.0.0/0` or `::/0`.
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

    /// Reads hops from `header`.
    pub fn with_header(self, header: ForwardedBy) -> Self {
        Self { header, ..self }
    }

    /// Takes the client from `hops` entries from the right end of a list, whoever stands there,
    /// instead of the first that is not trusted: for proxies whose addresses change, but not their
    /// number. One hop is the peer itself, so that the last entry is the client.
    pub fn with_hops(self, hops: NonZeroU8) -> Self {
        let hops = Some(hops);
        Self { hops, ..self }
    }

    /// Counts IPv6 addresses that share their first `bits` (at most 128) as one client.
    pub fn with_ipv6_prefix(self, bits: u8) -> Self {
        Self {
            ipv6_prefix: bits.min(128),
            ..self
        }
    }

    /// Says that clients come from private addresses, as on an intranet, so that those can be
    /// banned too.
    pub fn with_private_clients(self, private_clients: bool) -> Self {
        Self {
            private_clients,
            ..self
        }
    }

    /// The networks that may speak for a client.
    pub fn trusted(&self) -> &[IpNet] {
        &self.trusted
    }

    /// Finds the client behind `peer`.
    ///
    /// A request's client is:
    /// 1. the peer, unless the peer is trusted;
    /// 2. else the rightmost address in the header that is not trusted, or the one that the number
    ///    of hops tells, all lines of the header read as one list;
    /// 3. else, where something unreadable ends the walk, or the list or
    ///    [`Self::MAX_HOPS`] does, the last hop that was read, or the peer.
    pub fn resolve(&self, peer: PeerAddr, headers: &HeaderMap) -> ClientIp {
        let via_trusted = self.trusts(peer.addr());
        let hop = via_trusted.then(|| self.walk(headers)).flatten();
        let hop = hop.map(|(_, addr)| addr);
        let addr = hop.unwrap_or_else(|| peer.addr());
        let unclear = !via_trusted && scope::is_inside(addr) && ForwardedBy::any(headers);
        ClientIp {
            addr,
            ipv6_prefix: self.ipv6_prefix,
            via_trusted,
            forwarded: hop.is_some(),
            exempt: if unclear {
                Some(UNCLEAR)
            } else {
                self.exempts(addr)
            },
        }
    }

    /// Why `addr` is never banned as a client; `None` where it may be.
    ///
    /// A ban of a proxy, of a private address or of this host bans everyone behind it.
    pub fn exempts(&self, addr: IpAddr) -> Option<&'static str> {
        if self.trusts(addr) {
            Some("it is a trusted proxy")
        } else if scope::is_this_host(addr) {
            Some("it is this host")
        } else if !self.private_clients && scope::is_private(addr) {
            Some("it is a private address, most likely a proxy that is not trusted yet")
        } else {
            None
        }
    }

    /// Whom a ban of `network` would hit that must not be banned: [`Self::exempts`] for each of its
    /// addresses.
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

    /// Whether `network` lies within private space or this host, so that nobody on the internet
    /// can send from there.
    pub fn is_inside(network: IpNet) -> bool {
        scope::is_all_inside(&network)
    }

    fn trusts(&self, addr: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&addr))
    }

    /// The header that hops are read from.
    pub(super) const fn header(&self) -> ForwardedBy {
        self.header
    }

    /// How many hops stand between the peer and the hop that names the client.
    pub(super) fn depth(&self, headers: &HeaderMap) -> usize {
        self.walk(headers).map_or(0, |(depth, _)| depth)
    }

    /// The last hop that the header names and whom trusted hops vouch for, and how many are nearer.
    fn walk(&self, headers: &HeaderMap) -> Option<(usize, IpAddr)> {
        let hops = self.header.hops(headers).enumerate();
        if let Some(count) = self.hops {
            let told = hops.take(count.get().into());
            return told.map_while(|(depth, hop)| Some((depth, hop?))).last();
        }
        let mut last = None;
        for (depth, hop) in hops.take(Self::MAX_HOPS) {
            let Some(addr) = hop else {
                return last;
            };
            last = Some((depth, addr));
            if !self.trusts(addr) {
                return last;
            }
        }
        last
    }
}

// === impl Protected ===

impl fmt::Display for Protected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TrustedProxy => "a trusted proxy, and everyone behind it",
            Self::ThisHost => "this host",
            Self::Private => "private addresses, where your proxy may be",
        })
    }
}
