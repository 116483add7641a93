//! The hops by which a client is resolved.

use std::{net::IpAddr, ops::ControlFlow};

use http::HeaderMap;

use super::{ClientRules, ForwardedHeader, PeerAddr, rules::WalkEnd};
use crate::HeaderIndex;

/// The hops from a peer to its client, as [`ClientRules::resolve`] reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientDerivation {
    /// The other end of the socket.
    pub peer: IpAddr,
    /// `true` if the peer is a trusted proxy, so that its header is read.
    pub is_peer_trusted: bool,
    /// The header that hops are read from.
    pub header: ForwardedHeader,
    /// The hops in the header, nearest to the peer first; at most [`ClientDerivation::MAX_HOPS`].
    pub hops: Vec<ClientHop>,
}

/// An entry of a forwarding header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientHop {
    /// The address; `None` if the entry is not one.
    pub addr: Option<IpAddr>,
    /// `true` if the address is that of a trusted proxy.
    pub is_trusted: bool,
    /// The use of the entry.
    pub role: HopRole,
}

/// The use of a [`ClientHop`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HopRole {
    /// The entry is the client.
    Client,
    /// The entry is not read: the peer is not trusted, or the client was found nearer to it.
    Ignored,
    /// The entry is a hop on the way to the client.
    Passed,
    /// The entry ends the walk without a client: it is no address, or there are too many hops.
    Unknown,
}

impl ClientDerivation {
    /// The maximum number of hops that are listed.
    pub const MAX_HOPS: usize = 64;
}

impl ClientRules {
    /// Lists the hops by which [`Self::resolve`] finds the client behind `peer`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gabion_core::{ClientRules, HopRole, PeerAddr};
    /// use http::HeaderMap;
    ///
    /// let rules = ClientRules::default().with_trusted(["10.0.0.0/8".parse().unwrap()]).unwrap();
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-forwarded-for", "192.0.2.1, 203.0.113.9, 10.0.0.2".parse().unwrap());
    ///
    /// let derivation = rules.derive(PeerAddr::new(([10, 0, 0, 1], 4000).into()), &headers);
    /// let roles: Vec<_> = derivation.hops.iter().map(|hop| hop.role).collect();
    /// assert_eq!(roles, [HopRole::Passed, HopRole::Client, HopRole::Ignored]);
    /// ```
    pub fn derive(&self, peer: PeerAddr, headers: &HeaderMap) -> ClientDerivation {
        let headers = HeaderIndex::new(headers);
        let peer = peer.addr();
        let is_peer_trusted = self.trusts(peer);
        let end = is_peer_trusted.then(|| self.walk(&headers));
        let mut hops = Vec::new();
        let _: Option<()> = self.header().visit_hops(&headers, |addr| {
            hops.push(ClientHop {
                addr,
                is_trusted: addr.is_some_and(|addr| self.trusts(addr)),
                role: role(hops.len(), end),
            });
            if hops.len() < ClientDerivation::MAX_HOPS {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        ClientDerivation {
            peer,
            is_peer_trusted,
            header: self.header(),
            hops,
        }
    }
}

/// The role of the hop behind `depth` others, if the walk ended at `end`.
fn role(depth: usize, end: Option<WalkEnd>) -> HopRole {
    let (last, role) = match end {
        None | Some(WalkEnd::NoHeader) => return HopRole::Ignored,
        Some(WalkEnd::Client(hop)) => (hop.depth, HopRole::Client),
        Some(WalkEnd::Unknown { depth, .. }) => (depth, HopRole::Unknown),
    };
    match depth.cmp(&last) {
        std::cmp::Ordering::Less => HopRole::Passed,
        std::cmp::Ordering::Equal => role,
        std::cmp::Ordering::Greater => HopRole::Ignored,
    }
}
