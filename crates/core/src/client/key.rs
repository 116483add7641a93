//! Hashes of clients.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::LazyLock,
};

use ipnet::IpNet;

/// The secret of the process.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Family tags in the hash, so that an IPv4 and an IPv6 network never hash the same words.
const V4: u64 = 4 << 56;
const V6: u64 = 6 << 56;

/// Hashes the network of a client with the secret of the process (`SipHash`).
pub(super) fn hash(network: IpNet) -> u64 {
    let mut hasher = SEED.build_hasher();
    match network {
        IpNet::V4(network) => {
            let bits = u64::from(u32::from(network.addr()));
            hasher.write_u64(V4 | bits << 8 | u64::from(network.prefix_len()));
        }
        IpNet::V6(network) => {
            hasher.write_u64(V6 | u64::from(network.prefix_len()));
            hasher.write_u128(network.addr().into());
        }
    }
    hasher.finish()
}
