//! The addresses of the proxy itself.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use super::{Upstream, target::Address};

/// The addresses and Unix sockets on which this process listens, for clients or for operators. None of them is an
/// upstream: requests would circle until no connection is left, or reach what only operators may. Clones share the
/// addresses, so that they can be added after a group of upstreams was made.
///
/// [`Self::check`] finds upstreams that are configured as such. A name that resolves to one is found when a connection
/// is made ([`UpstreamOptions::with_own_addresses`](crate::UpstreamOptions::with_own_addresses)).
///
/// # Examples
///
/// ```
/// use gabion_proxy::OwnAddresses;
///
/// let own = OwnAddresses::default();
/// own.add("0.0.0.0:8080".parse()?);
/// for upstream in ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"] {
///     assert!(own.check(&upstream.parse()?).is_err(), "{upstream}");
/// }
/// own.check(&"http://127.0.0.1:5000".parse()?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct OwnAddresses(Arc<RwLock<Own>>);

#[derive(Debug, Default)]
struct Own {
    tcp: Vec<SocketAddr>,
    unix: Vec<PathBuf>,
}

/// An upstream that is this process itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{upstream}` cannot be an upstream: this process itself listens on {own}")]
pub struct OwnAddressError {
    upstream: String,
    own: String,
}

// === impl OwnAddresses ===

impl OwnAddresses {
    /// Adds the address of a listener.
    pub fn add(&self, addr: SocketAddr) {
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        self.write(|own| own.tcp.push(addr));
    }

    /// Adds a Unix socket, by its path. If it was bound by another path, add that too.
    pub fn add_unix(&self, path: impl Into<PathBuf>) {
        let path = path.into();
        self.write(|own| own.unix.push(path));
    }

    fn write(&self, write: impl FnOnce(&mut Own)) {
        write(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Returns an error if `upstream` names one of the addresses: literally, by `localhost`, by a loopback address, or by
    /// the unspecified address.
    ///
    /// # Errors
    ///
    /// The upstream and the address.
    pub fn check(&self, upstream: &Upstream) -> Result<(), OwnAddressError> {
        let own = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = match upstream.address() {
            Address::Unix(path) => {
                let canonical = fs::canonicalize(path).ok();
                let is_same = |own: &&PathBuf| {
                    **own == **path
                        || canonical.is_some() && canonical == fs::canonicalize(own).ok()
                };
                own.unix
                    .iter()
                    .find(is_same)
                    .map(|path| path.display().to_string())
            }
            Address::Tcp(_) => upstream.host_and_port().and_then(|(host, port)| {
                let is_named = |own: &&SocketAddr| own.port() == port && is_alias(own.ip(), host);
                own.tcp.iter().find(is_named).map(ToString::to_string)
            }),
        };
        match found {
            None => Ok(()),
            Some(own) => Err(OwnAddressError {
                upstream: upstream.to_string(),
                own,
            }),
        }
    }

    /// Returns `true` if a connection from `local` to `peer` leads to one of the addresses.
    pub(super) fn is_own(&self, local: SocketAddr, peer: SocketAddr) -> bool {
        let (local, to) = (local.ip().to_canonical(), peer.ip().to_canonical());
        let leads_to = |own: &SocketAddr| {
            // The system connects to an address of the machine from the same one.
            let is_here = to.is_loopback() || to == local;
            // A socket of `::` takes IPv4 too.
            let listens = own.ip().is_unspecified() && (own.is_ipv6() || to.is_ipv4());
            own.port() == peer.port() && (own.ip() == to || is_here && listens)
        };
        let own = self.0.read().unwrap_or_else(PoisonError::into_inner);
        own.tcp.iter().any(leads_to)
    }

    /// Returns `true` if a socket was bound by this path.
    pub(super) fn is_own_unix(&self, bound_at: &Path) -> bool {
        let own = self.0.read().unwrap_or_else(PoisonError::into_inner);
        own.unix.iter().any(|path| path == bound_at)
    }
}

/// Returns `true` if a connection to `host` reaches a listener on `own`, or a reader would think so.
fn is_alias(own: IpAddr, host: &str) -> bool {
    let is_local = |addr: IpAddr| addr.is_loopback() || addr.is_unspecified();
    let Ok(addr) = host.parse::<IpAddr>() else {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is_localhost = host == "localhost" || host.ends_with(".localhost");
        return is_localhost && is_local(own);
    };
    let addr = addr.to_canonical();
    let are_distinct = match (own, addr) {
        // Two addresses of 127.0.0.0/8 can have two servers.
        (IpAddr::V4(own), IpAddr::V4(addr)) => {
            own.is_loopback() && addr.is_loopback() && own != addr
        }
        _ => false,
    };
    addr == own || is_local(addr) && is_local(own) && !are_distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(addrs: &[&str]) -> OwnAddresses {
        let own = OwnAddresses::default();
        for addr in addrs {
            own.add(addr.parse().unwrap());
        }
        own
    }

    #[test]
    fn aliases_of_loopback_are_the_proxy_itself() {
        for (listener, upstream, is_own) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080", true),
            ("127.0.0.1:8080", "http://localhost:8080", true),
            ("127.0.0.1:8080", "http://LOCALHOST.:8080", true),
            ("127.0.0.1:8080", "h2c://a.localhost:8080", true),
            ("127.0.0.1:8080", "http://[::1]:8080", true),
            ("127.0.0.1:8080", "http://[::ffff:127.0.0.1]:8080", true),
            ("127.0.0.1:8080", "http://0.0.0.0:8080", true),
            ("[::]:80", "http://127.0.0.1", true),
            ("0.0.0.0:443", "https://localhost", true),
            ("10.0.0.7:8080", "http://10.0.0.7:8080", true),
            ("127.0.0.1:8080", "http://127.0.0.2:8080", false),
            ("127.0.0.1:8080", "http://127.0.0.1:8081", false),
            ("10.0.0.7:8080", "http://127.0.0.1:8080", false),
            ("10.0.0.7:8080", "http://localhost:8080", false),
            ("0.0.0.0:8080", "http://10.0.0.7:8080", false),
            ("0.0.0.0:443", "http://localhost", false),
        ] {
            let upstream: Upstream = upstream.parse().unwrap();
            let checked = own(&[listener]).check(&upstream);
            assert_eq!(checked.is_err(), is_own, "{listener} {upstream}");
            if let Err(error) = checked {
                assert!(error.to_string().contains(listener), "{error}");
            }
        }
    }

    #[test]
    fn connections_that_lead_back_are_found() {
        for (listener, local, peer, is_own) in [
            ("127.0.0.1:80", "127.0.0.1:4000", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:4000", "127.0.0.2:80", false),
            ("0.0.0.0:80", "127.0.0.1:4000", "127.0.0.2:80", true),
            ("0.0.0.0:80", "10.0.0.7:4000", "10.0.0.7:80", true),
            ("0.0.0.0:80", "10.0.0.7:4000", "10.0.0.8:80", false),
            ("0.0.0.0:80", "[::1]:4000", "[::1]:80", false),
            ("[::]:80", "127.0.0.1:4000", "127.0.0.1:80", true),
            ("[::]:80", "[2001:db8::7]:4000", "[2001:db8::7]:80", true),
            ("10.0.0.7:80", "10.0.0.7:4000", "10.0.0.7:81", false),
        ] {
            let (local, peer) = (local.parse().unwrap(), peer.parse().unwrap());
            assert_eq!(
                own(&[listener]).is_own(local, peer),
                is_own,
                "{listener} {peer}"
            );
        }
    }
}
