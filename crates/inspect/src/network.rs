//! Clients as keys of tables.

use std::hash::{Hash, Hasher};

use ipnet::IpNet;

/// A network, hashed in as few words as hold it: its own hash is fed in pieces, which costs twice as
/// much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network(pub(crate) IpNet);

/// What begins the hash, so that no network is taken for one of the other family.
const V4: u64 = 4 << 56;
const V6: u64 = 6 << 56;

impl Hash for Network {
    fn hash<H: Hasher>(&self, to: &mut H) {
        match self.0 {
            IpNet::V4(network) => {
                let bits = u64::from(u32::from(network.addr()));
                to.write_u64(V4 | bits << 8 | u64::from(network.prefix_len()));
            }
            IpNet::V6(network) => {
                to.write_u64(V6 | u64::from(network.prefix_len()));
                to.write_u128(network.addr().into());
            }
        }
    }
}
