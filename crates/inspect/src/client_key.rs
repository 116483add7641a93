//! Clients as table keys.

use std::hash::{BuildHasherDefault, Hash, Hasher};

use gabion_core::ClientIp;
use ipnet::IpNet;

/// A client as a table key: its network, with the keyed hash of it that every table shares
/// ([`ClientIp::key`]). Hashed with [`BuildKeyHasher`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientKey {
    network: IpNet,
    hash: u64,
}

/// The hasher of tables by [`ClientKey`], which uses the hash in the key.
pub(crate) type BuildKeyHasher = BuildHasherDefault<KeyHasher>;

/// See [`BuildKeyHasher`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyHasher(u64);

// === impl ClientKey ===

impl ClientKey {
    pub(crate) const fn network(self) -> IpNet {
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

// === impl KeyHasher ===

impl Hasher for KeyHasher {
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
