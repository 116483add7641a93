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
            let addr = u128::from(network.addr());
            let tag = V6 | u64::from(network.prefix_len());
            if network.prefix_len() <= 64 {
                // The lower half of the address is zero.
                hasher.write_u128(addr | u128::from(tag));
            } else {
                hasher.write_u64(tag);
                hasher.write_u128(addr);
            }
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn different_networks_have_different_hashes() {
        let networks = [
            "203.0.113.9/32",
            "203.0.113.8/32",
            "203.0.113.0/24",
            "203.0.113.0/25",
            "::/0",
            "::203.0.113.9/128",
            "2001:db8::/32",
            "2001:db8::/48",
            "2001:db8::/64",
            "2001:db8::/65",
            "2001:db8::/128",
            "2001:db8:0:1::/64",
            "2001:db8::1/128",
            "2001:db8::1:0/112",
        ];
        let hashes = networks
            .iter()
            .map(|network| hash(network.parse().unwrap()));
        let hashes: HashSet<_> = hashes.collect();
        assert_eq!(hashes.len(), networks.len());
    }
}
