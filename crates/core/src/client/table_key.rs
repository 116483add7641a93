//! Clients as table keys.

use std::hash::{BuildHasherDefault, Hash, Hasher};

use ipnet::IpNet;

use super::ClientIp;

/// A client as a table key: its network, with the keyed hash of it that every table shares
/// ([`ClientIp::key`]). Hashed with [`BuildClientKeyHasher`].
///
/// # Examples
///
/// ```
/// use std::collections::HashMap;
/// use gabion_core::{BuildClientKeyHasher, ClientKey};
/// # let peer = gabion_core::PeerAddr::new(([203, 0, 113, 9], 4000).into());
/// # let client = gabion_core::ClientRules::default().resolve(peer, &http::HeaderMap::new());
///
/// let mut requests: HashMap<ClientKey, u64, BuildClientKeyHasher> = HashMap::default();
/// *requests.entry(ClientKey::from(&client)).or_default() += 1;
/// assert_eq!(requests[&ClientKey::from(client.network())], 1);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ClientKey {
    network: IpNet,
    hash: u64,
}

/// The hasher of tables by [`ClientKey`], which uses the hash in the key.
pub type BuildClientKeyHasher = BuildHasherDefault<ClientKeyHasher>;

/// See [`BuildClientKeyHasher`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientKeyHasher(u64);

// === impl ClientKey ===

impl ClientKey {
    /// The network of the client ([`ClientIp::network`]).
    pub const fn network(self) -> IpNet {
        self.network
    }
}

impl From<&ClientIp> for ClientKey {
    fn from(client: &ClientIp) -> Self {
        Self {
            network: client.network(),
            hash: client.key(),
        }
    }
}

impl From<IpNet> for ClientKey {
    fn from(network: IpNet) -> Self {
        let hash = ClientIp::key_of(network);
        Self { network, hash }
    }
}

impl PartialEq for ClientKey {
    fn eq(&self, other: &Self) -> bool {
        self.network == other.network
    }
}

impl Eq for ClientKey {}

impl Hash for ClientKey {
    fn hash<H: Hasher>(&self, to: &mut H) {
        to.write_u64(self.hash);
    }
}

// === impl ClientKeyHasher ===

impl Hasher for ClientKeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
